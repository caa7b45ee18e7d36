//! What a server chooses from a list, until it refuses.

use crate::failure::Report;

/// Whose order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Server,
    Client,
    /// Neither: some are preferred by either side.
    Mixed,
}

/// Everything that a server takes of a list.
#[derive(Debug)]
pub(super) struct Choices<T, D> {
    /// In the order in which it was chosen, with what was seen of each.
    pub(super) found: Vec<(T, D)>,
    /// Nothing where there is no choice between two.
    pub(super) order: Option<Order>,
    /// Why there may be more.
    pub(super) broken: Option<Report>,
}

/// What is chosen of an offer: its place and what was seen of it, or nothing.
pub(super) type Answer<D> = Result<Option<(usize, D)>, Report>;

impl Order {
    pub(super) fn name(self) -> &'static str {
        match self {
            Order::Server => "server",
            Order::Client => "client",
            Order::Mixed => "mixed",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Order::Server => "server's order",
            Order::Client => "client's order",
            Order::Mixed => "neither side's order",
        }
    }
}

impl<T, D> Default for Choices<T, D> {
    fn default() -> Choices<T, D> {
        Choices { found: Vec::new(), order: None, broken: None }
    }
}

impl<T: Clone, D> Choices<T, D> {
    /// Offers all, takes away what is chosen, and goes on until nothing is; then offers what was chosen the other way
    /// round, to see whose order it is. `ask` tells what of its offer is chosen.
    ///
    /// `special` says what a server may prefer because the client does (ChaCha20, for clients without AES in hardware): it
    /// is not put first, unless nothing else can be.
    pub(super) async fn explore(
        mut left: Vec<T>,
        special: impl Fn(&T) -> bool,
        ask: impl AsyncFn(&[T]) -> Answer<D>,
    ) -> Choices<T, D> {
        let mut choices = Choices::default();
        while !left.is_empty() {
            match ask(&left).await {
                Ok(Some((place, seen))) => choices.found.push((left.remove(place), seen)),
                Ok(None) => break,
                Err(report) => {
                    choices.broken = Some(report);
                    return choices;
                }
            }
        }
        let mut turned: Vec<(usize, T)> =
            choices.found.iter().map(|(item, _)| item.clone()).enumerate().collect();
        turned.reverse();
        if turned.len() < 2 {
            return choices;
        }
        // What was chosen first says nothing when it stands first.
        if let Some(place) = turned.iter().position(|(rank, item)| *rank > 0 && !special(item)) {
            turned.swap(0, place);
        }
        let offer: Vec<T> = turned.iter().map(|(_, item)| item.clone()).collect();
        choices.order = match ask(&offer).await {
            Ok(Some((place, _))) if turned[place].0 == 0 => Some(Order::Server),
            Ok(Some((0, _))) => Some(Order::Client),
            Ok(Some(_)) => Some(Order::Mixed),
            Ok(None) | Err(_) => None,
        };
        choices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that takes what `takes`, by its own order or the client's.
    async fn explore(takes: &'static [u8], own_order: bool) -> Choices<u8, ()> {
        Choices::explore(
            vec![1, 2, 3, 4, 5],
            |item| *item == 5,
            async |offer: &[u8]| {
                let mine = || takes.iter().find_map(|item| offer.iter().position(|other| other == item));
                let theirs = || offer.iter().position(|item| takes.contains(item));
                Ok(if own_order { mine() } else { theirs() }.map(|place| (place, ())))
            },
        )
        .await
    }

    fn items(choices: &Choices<u8, ()>) -> Vec<u8> {
        choices.found.iter().map(|(item, ())| *item).collect()
    }

    #[tokio::test]
    async fn the_server_s_order_is_found_and_told_from_the_client_s() {
        let own = explore(&[4, 2, 5], true).await;
        assert_eq!((items(&own), own.order), (vec![4, 2, 5], Some(Order::Server)));
        let theirs = explore(&[4, 2, 5], false).await;
        assert_eq!((items(&theirs), theirs.order), (vec![2, 4, 5], Some(Order::Client)));
        // 5 is special, and yet put first.
        assert_eq!(explore(&[4, 5], true).await.order, Some(Order::Server));
        assert_eq!(explore(&[4, 5], false).await.order, Some(Order::Client));
        let single = explore(&[3], true).await;
        assert_eq!((items(&single), single.order), (vec![3], None));
        assert!(explore(&[], true).await.found.is_empty());
    }

    #[tokio::test]
    async fn what_breaks_leaves_what_was_found() {
        let report = Report { code: "ECONNRESET".to_owned(), reason: "reset".to_owned(), alert: None };
        let choices = Choices::explore(
            vec![1, 2],
            |_| false,
            async |offer: &[u8]| match offer.len() {
                2 => Ok(Some((1, ()))),
                _ => Err(report.clone()),
            },
        )
        .await;
        assert_eq!((items(&choices), choices.broken), (vec![2], Some(report.clone())));
    }
}
