//! Whether a host is an IP address.

use std::net::IpAddr;

/// The address that `host` is. Most hosts are names, and one look tells.
pub(crate) fn parse(host: &str) -> Option<IpAddr> {
    let bytes = host.as_bytes();
    let may_be_one = bytes.last().is_some_and(u8::is_ascii_digit) || bytes.contains(&b':');
    may_be_one.then(|| host.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_addresses_are_found_and_nothing_else(
            address in any::<IpAddr>(),
            text in "[0-9a-f:.%]{0,12}",
        ) {
            prop_assert_eq!(parse(&address.to_string()), Some(address));
            prop_assert_eq!(parse(&text), text.parse().ok());
        }
    }

    #[test]
    fn each_way_to_write_an_address_is_known() {
        for host in ["::", "1::", "::ffff:10.0.0.7", "2001:DB8::ab", "10.0.0.7"] {
            assert!(parse(host).is_some(), "{host}");
        }
        for host in ["", "localhost", "plc7", "a.example.", "10.0.0", "[::1]", "10.0.0.7 "] {
            assert!(parse(host).is_none(), "{host}");
        }
    }
}
