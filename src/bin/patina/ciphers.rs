//! `patina ciphers`: the suites that a cipher string selects.

use crate::args::CiphersArgs;
use crate::failure::Failure;

pub(crate) fn run(_: &CiphersArgs) -> Result<(), Failure> {
    Ok(())
}
