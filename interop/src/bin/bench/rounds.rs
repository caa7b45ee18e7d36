//! CPU time side by side: every implementation once a round, and ratios taken within the round.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use patina_measure::child::{Program, version};
use patina_measure::measure::{Figure, Measured as Measurable, measure};
use patina_measure::row::{Row, What, rows};
use patina_measure::runtime;
use patina_measure::trouble::{Result, Trouble};
use tokio::runtime::Runtime;

use super::goal::{self, Goal};
use super::peer::{Patina, Raw, TokioOpenssl};
use super::plot;
#[cfg(feature = "bench")]
use super::rustls::AwsLc;
use super::rustls::{Ring, Rustls};

/// The CPU time that one measurement takes at least. What disturbs a machine comes and goes in seconds: many short
/// measurements in turn share it, a few long ones do not.
const LEAST: Duration = Duration::from_millis(25);

/// How an implementation is measured.
enum How {
    /// In this process.
    Here(fn(&Runtime, &What, usize) -> Result<Option<Figure>>),
    /// In one of its own.
    There(Program),
}

/// An implementation.
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) version: String,
    how: How,
}

impl Contestant {
    fn here<P: Measurable>() -> Contestant {
        Contestant {
            name: P::NAME.to_owned(),
            version: version::<P>().to_owned(),
            how: How::Here(measure::<P>),
        }
    }

    fn there(program: Program) -> Contestant {
        Contestant {
            name: program.name().to_owned(),
            version: program.version().to_owned(),
            how: How::There(program),
        }
    }

    fn measure(&mut self, runtime: &Runtime, row: &Row, repeat: usize) -> Result<Option<Figure>> {
        match &mut self.how {
            How::Here(measure) => measure(runtime, &row.what, repeat),
            How::There(program) => program.measure(row, repeat),
        }
    }

    /// Units a CPU-second. The first time finds out how often the work has to be repeated.
    fn figure(&mut self, runtime: &Runtime, row: &Row, repeat: &mut usize) -> Result<Option<f64>> {
        let mut count = if *repeat == 0 { row.what.fewest().unwrap_or(1) } else { *repeat };
        loop {
            let Some((units, time)) = self.measure(runtime, row, count)? else { return Ok(None) };
            if time >= LEAST || *repeat > 0 {
                *repeat = count;
                return Ok(Some(units / time.as_secs_f64()));
            }
            count *= 2;
        }
    }
}

/// All of them, this library first.
fn contestants(programs: Vec<Program>) -> Vec<Contestant> {
    let mut all = vec![
        Contestant::here::<Patina>(),
        Contestant::here::<Raw<true>>(),
        Contestant::here::<TokioOpenssl>(),
        #[cfg(feature = "bench")]
        Contestant::here::<Rustls<AwsLc>>(),
        Contestant::here::<Rustls<Ring>>(),
    ];
    all.extend(programs.into_iter().map(Contestant::there));
    all
}

/// A row's figures, one list of rounds for each implementation.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) figures: Vec<Option<Vec<f64>>>,
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

impl Measured {
    /// The median of an implementation.
    pub(crate) fn figure(&self, who: usize) -> Option<f64> {
        self.figures[who].as_deref().map(median)
    }

    /// The median of this library's figure beside another's of the same round.
    pub(crate) fn ratio(&self, who: usize) -> Option<f64> {
        let (ours, theirs) = (self.figures[0].as_ref()?, self.figures[who].as_ref()?);
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        Some(median(&ratios))
    }
}

/// What is asked for.
struct Asked {
    rounds: usize,
    rows: Vec<Row>,
    /// Programs that are measured too, with their words.
    peers: Vec<String>,
    table: Option<PathBuf>,
    plot: Option<PathBuf>,
}

const USAGE: &str = "\
usage: bench run [--rounds N] [--peer \"PROGRAM [WORD]...\"]... [--table FILE] [--plot FILE] [ROW]...
A ROW is the beginning of a row's name; all that begin so are measured. Without one, all rows are.";

impl Asked {
    /// `None`: the usage is.
    fn of(words: &[String]) -> Result<Option<Asked>> {
        let mut asked = Asked { rounds: 25, rows: Vec::new(), peers: Vec::new(), table: None, plot: None };
        let all = rows();
        let mut wanted = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| Trouble::new(format!("{word} needs a value")));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--rounds" => {
                    let rounds = value()?.parse().ok().filter(|rounds| *rounds > 0);
                    asked.rounds =
                        rounds.ok_or_else(|| Trouble::new("--rounds needs a number, at least 1"))?;
                }
                "--peer" => asked.peers.push(value()?.clone()),
                "--table" => asked.table = Some(value()?.into()),
                "--plot" => asked.plot = Some(value()?.into()),
                option if option.starts_with('-') => {
                    return Err(Trouble::new(format!("there is no option {option}\n{USAGE}")));
                }
                name if all.iter().any(|row| row.name.starts_with(name)) => wanted.push(name),
                name => return Err(Trouble::new(format!("there is no row {name:?}. {}", list(&all)))),
            }
        }
        let is_wanted = |row: &Row| wanted.is_empty() || wanted.iter().any(|name| row.name.starts_with(name));
        asked.rows = all.into_iter().filter(is_wanted).collect();
        Ok(Some(asked))
    }
}

fn list(rows: &[Row]) -> String {
    let names: String = rows.iter().map(|row| format!("  {}\n", row.name)).collect();
    format!("The rows are:\n{names}")
}

/// Runs the rounds and judges them by the goals.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    let Some(asked) = Asked::of(words)? else {
        print!("{USAGE}\n\n{}", list(&rows()));
        return Ok(true);
    };
    let mut programs = Vec::new();
    for peer in &asked.peers {
        programs.push(Program::start(&peer.split(' ').collect::<Vec<_>>())?);
    }
    let mut contestants = contestants(programs);
    let measured = measure_all(&asked, &mut contestants)?;
    print(&contestants, &measured);
    let judged = goal::judge(&contestants, &measured);
    let versions: Vec<String> =
        contestants.iter().map(|who| format!("{} {}", who.name, who.version)).collect();
    println!("\n{}; {}", openssl::version::version(), versions.join(", "));
    let missed = judged.iter().filter(|goal| !goal.holds()).count();
    judged.iter().for_each(Goal::print);
    println!("\n{} goals, {missed} missed; {} rounds", judged.len(), asked.rounds);
    for (path, text) in [
        (asked.table, tsv(&contestants, &measured)),
        (asked.plot, plot::svg(&contestants, &measured, asked.rounds)),
    ] {
        let Some(path) = path else { continue };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text)?;
    }
    Ok(missed == 0)
}

/// The order of a round: nobody is always the first, nor always behind the same one, who may leave caches cold, or threads
/// that are not done.
fn order(count: usize, round: usize) -> impl Iterator<Item = usize> {
    let prime_to_count = |step: &usize| {
        (2..=*step).all(|factor| !count.is_multiple_of(factor) || !step.is_multiple_of(factor))
    };
    let steps: Vec<usize> = (1..count.max(2)).filter(prime_to_count).collect();
    let step = steps[round % steps.len()];
    (0..count).map(move |turn| (turn * step + round) % count)
}

fn measure_all(asked: &Asked, contestants: &mut [Contestant]) -> Result<Vec<Measured>> {
    let runtime = runtime::new()?;
    let all = asked.rows.iter();
    let mut measured: Vec<Measured> = all
        .map(|row| Measured { name: row.name.clone(), figures: vec![Some(Vec::new()); contestants.len()] })
        .collect();
    let mut repeats = vec![vec![0; contestants.len()]; asked.rows.len()];
    let is_watched = std::io::stderr().is_terminal();
    for round in 0..asked.rounds {
        for (place, row) in asked.rows.iter().enumerate() {
            if is_watched {
                eprint!("\rround {} of {}: {:<40}", round + 1, asked.rounds, row.name);
            }
            for who in order(contestants.len(), round) {
                let Some(figures) = &mut measured[place].figures[who] else { continue };
                let contestant = &mut contestants[who];
                let figure = contestant.figure(&runtime, row, &mut repeats[place][who]);
                match figure
                    .map_err(|trouble| trouble.context(format!("{} {}", contestant.name, row.name)))?
                {
                    Some(figure) => figures.push(figure),
                    None => measured[place].figures[who] = None,
                }
            }
        }
    }
    if is_watched {
        eprintln!();
    }
    Ok(measured)
}

fn print(contestants: &[Contestant], measured: &[Measured]) {
    print!("{:<30}", "per CPU-second, median");
    contestants.iter().for_each(|who| print!(" {:>22}", who.name));
    println!();
    for row in measured {
        print!("{:<30}", row.name);
        for who in 0..contestants.len() {
            match (row.figure(who), row.ratio(who)) {
                (Some(figure), Some(ratio)) => print!(" {figure:>13.1} ({ratio:>6.2})"),
                _ => print!(" {:>22}", "-"),
            }
        }
        println!();
    }
    println!(
        "In brackets: patina-tls beside it. Of `threads`: how much two do beside one; of `idle`: pairs of connections a MiB."
    );
}

fn tsv(contestants: &[Contestant], measured: &[Measured]) -> String {
    let mut text = String::from("row\timplementation\tper CPU-second\tpatina-tls beside it\n");
    for row in measured {
        for (who, contestant) in contestants.iter().enumerate() {
            if let (Some(figure), Some(ratio)) = (row.figure(who), row.ratio(who)) {
                text += &format!("{}\t{}\t{figure:.2}\t{ratio:.3}\n", row.name, contestant.name);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_everybody_once_and_neighbours_change() {
        for count in 1..10 {
            let rounds: Vec<Vec<usize>> = (0..4).map(|round| order(count, round).collect()).collect();
            for round in &rounds {
                let mut sorted = round.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..count).collect::<Vec<_>>());
            }
            let before = |round: &[usize]| {
                let place = round.iter().position(|who| *who == 0).unwrap();
                round[(place + count - 1) % count]
            };
            assert!(count < 3 || before(&rounds[0]) != before(&rounds[1]), "{rounds:?}");
        }
    }
}
