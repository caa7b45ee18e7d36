//! The list of suites while a string is read: libssl's linked list as a vector.

use crate::generation::Generation;
use crate::suite::{Authentication, Encryption, KeyExchange, Mac, Protocol};
use crate::table::SUITES;
use crate::vocabulary::{AES, AES_GCM, Criteria};

/// What a rule does to the suites that it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Activate and append those that are not active (`CIPHER_ADD`).
    Add,
    /// Move the active ones to the end (`CIPHER_ORD`).
    Order,
    /// Deactivate, and put them first in line for the next `Add` (`CIPHER_DEL`).
    Delete,
    /// Take them out for good (`CIPHER_KILL`).
    Kill,
    /// Move the active ones to the front (`CIPHER_BUMP`); no string can say this.
    Bump,
}

/// A suite's place in the table, and whether it is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    index: u8,
    active: bool,
}

/// The suites in libssl's order, active and not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Order {
    slots: Vec<Slot>,
}

impl Order {
    /// The order before a string is read (`ssl_create_cipher_list`): all there, none active.
    pub(crate) fn initial(generation: Generation, has: impl Fn(usize) -> bool) -> Self {
        // ssl3_get_cipher() counts from the end of a table that is sorted by id. Its ids bear SSL 3's 0x0300 in front, all alike.
        let slots = (0..SUITES.len())
            .rev()
            .filter(|index| has(*index) && !SUITES[*index].is_tls13())
            .map(|index| Slot { index: index as u8, active: false })
            .collect();
        let mut order = Self { slots };
        let ephemeral = KeyExchange::Dhe.bit() | KeyExchange::Ecdhe.bit();
        let all = Criteria::default();
        let kx = |kx: u32| Criteria { kx, ..all };
        let enc = |enc: u32| Criteria { enc, ..all };
        let mac = |mac: Mac| Criteria { mac: mac.bit(), ..all };
        let mut apply = |criteria: Criteria, action| order.apply(&criteria, action, generation, |_| {});
        apply(Criteria { auth: Authentication::Ecdsa.bit(), ..kx(KeyExchange::Ecdhe.bit()) }, Action::Add);
        apply(kx(KeyExchange::Ecdhe.bit()), Action::Add);
        apply(kx(KeyExchange::Ecdhe.bit()), Action::Delete);
        apply(enc(AES_GCM), Action::Add);
        apply(enc(Encryption::ChaCha20.bit()), Action::Add);
        apply(enc(AES ^ AES_GCM), Action::Add);
        apply(all, Action::Add);
        apply(mac(Mac::Md5), Action::Order);
        apply(Criteria { auth: Authentication::Null.bit(), ..all }, Action::Order);
        apply(kx(KeyExchange::Rsa.bit()), Action::Order);
        apply(kx(KeyExchange::Psk.bit()), Action::Order);
        apply(enc(Encryption::Rc4.bit()), Action::Order);
        order.sort_by_strength(generation);
        let mut apply = |criteria: Criteria, action| order.apply(&criteria, action, generation, |_| {});
        apply(Criteria { first: Some(Protocol::TLSv1_2), ..all }, Action::Bump);
        apply(mac(Mac::Aead), Action::Bump);
        apply(kx(ephemeral), Action::Bump);
        apply(Criteria { mac: Mac::Aead.bit(), ..kx(ephemeral) }, Action::Bump);
        apply(all, Action::Delete);
        order
    }

    /// Applies one rule (`ssl_cipher_apply_rule`) and reports each suite that it changed.
    ///
    /// libssl walks a linked list and moves what it meets to one end, which leaves a stable partition.
    pub(crate) fn apply(
        &mut self,
        criteria: &Criteria,
        action: Action,
        generation: Generation,
        mut changed: impl FnMut(usize),
    ) {
        let mut moved = Vec::new();
        let meant = |slot: &Slot| {
            slot.active != (action == Action::Add)
                && criteria.matches(&SUITES[usize::from(slot.index)], generation)
        };
        self.slots.retain(|slot| {
            // A kill takes the inactive ones too.
            let hit = if action == Action::Kill {
                criteria.matches(&SUITES[usize::from(slot.index)], generation)
            } else {
                meant(slot)
            };
            if hit {
                changed(usize::from(slot.index));
                moved.push(*slot);
            }
            !hit
        });
        self.put_back(moved, action);
    }

    /// Sorts the active suites by falling strength (`ssl_cipher_strength_sort`, the word `@STRENGTH`).
    pub(crate) fn sort_by_strength(&mut self, generation: Generation) {
        let bits = |slot: &Slot| SUITES[usize::from(slot.index)].strength_bits_in(generation);
        let (mut active, inactive): (Vec<Slot>, Vec<Slot>) = self.slots.iter().partition(|slot| slot.active);
        // Each strength in turn goes to the end; inactive ones stay where they were, among themselves.
        active.sort_by_key(|slot| std::cmp::Reverse(bits(slot)));
        self.slots = inactive;
        self.slots.extend(active);
    }

    fn put_back(&mut self, mut moved: Vec<Slot>, action: Action) {
        match action {
            Action::Kill => {}
            Action::Add | Action::Order => {
                moved.iter_mut().for_each(|slot| slot.active = true);
                self.slots.extend(moved);
            }
            Action::Delete | Action::Bump => {
                moved.iter_mut().for_each(|slot| slot.active = action == Action::Bump);
                self.slots.splice(0..0, moved);
            }
        }
    }

    /// The active suites' places in the table, in order.
    pub(crate) fn active(&self) -> impl Iterator<Item = usize> + '_ {
        self.slots.iter().filter(|slot| slot.active).map(|slot| usize::from(slot.index))
    }
}
