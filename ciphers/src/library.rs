//! One libssl: its generation and what its build has.

use crate::detect;
use crate::generation::Generation;
use crate::order::Order;
use crate::suite::{Authentication, BuildOption, Encryption, KeyExchange, Mac, Suite};
use crate::table::SUITES;
use crate::vocabulary::{ALIASES, Criteria, Entry, Vocabulary};

/// The algorithms that a libssl lacks, as its four masks hold them (`ssl_load_ciphers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Disabled {
    pub(crate) kx: u32,
    pub(crate) auth: u32,
    pub(crate) enc: u32,
    pub(crate) mac: u32,
}

impl Disabled {
    pub(crate) fn covers(&self, suite: &Suite) -> bool {
        suite.kx.bit() & self.kx != 0
            || suite.auth.bit() & self.auth != 0
            || suite.enc.bit() & self.enc != 0
            || suite.mac.bit() & self.mac != 0
    }
}

/// One libssl: its generation, and the algorithms and options that its build has or lacks.
///
/// Two builds of one version read the same string differently: a name that a build lacks is an unknown word, and unknown
/// words swallow what follows them up to the next separator. So every evaluation asks for a `Library`.
///
/// ```
/// use patina_ciphers::{Encryption, Generation, Library};
///
/// let debian = Library::upstream(Generation::V3_0);
/// let bare = debian.clone().without_encryption(Encryption::Camellia128).without_encryption(Encryption::Camellia256);
/// assert!(debian.evaluate("CAMELLIA").is_ok());
/// assert!(bare.evaluate("CAMELLIA").is_err());
/// ```
#[derive(Debug, Clone)]
pub struct Library {
    generation: Generation,
    /// What the build left out, by place in the table, beside what `disabled` leaves out.
    absent: [bool; SUITES.len()],
    disabled: Disabled,
    /// The order in which libssl stands the suites before it reads a string.
    order: Order,
}

impl Library {
    /// A libssl with every suite of its generation but GOST's, which need an engine or a provider from elsewhere.
    #[must_use]
    pub fn complete(generation: Generation) -> Self {
        let mut library = Self {
            generation,
            absent: [false; SUITES.len()],
            disabled: Disabled {
                kx: KeyExchange::Gost.bit() | KeyExchange::Gost18.bit(),
                auth: Authentication::AnyGost.bit(),
                enc: Encryption::Gost89.bit()
                    | Encryption::Gost8912.bit()
                    | Encryption::Magma.bit()
                    | Encryption::Kuznyechik.bit(),
                mac: Mac::Gost94.bit()
                    | Mac::Gost89Mac.bit()
                    | Mac::Gost12_256.bit()
                    | Mac::Gost89Mac12.bit()
                    | Mac::Gost12_512.bit()
                    | Mac::MagmaOmac.bit()
                    | Mac::KuznyechikOmac.bit(),
            },
            order: Order::default(),
        };
        for (absent, suite) in library.absent.iter_mut().zip(&SUITES) {
            *absent = suite.since() > generation;
        }
        library.settle();
        library
    }

    /// A libssl as its makers build it, with the default provider alone.
    ///
    /// That has no RC4 and 3DES suites (`enable-weak-ssl-ciphers` is off), and from 3.0 on no SEED and IDEA, which live in
    /// the legacy provider. Debian's 3.0 is the same.
    #[must_use]
    pub fn upstream(generation: Generation) -> Self {
        let mut library = Self::complete(generation);
        library.drop_option(BuildOption::WeakSslCiphers);
        if generation >= Generation::V3_0 {
            library.disabled.enc |= LEGACY_PROVIDER;
        }
        library.settle();
        library
    }

    /// The running libssl, found out by asking it.
    ///
    /// `ask` gives a fresh `SSL_CTX` a cipher string and answers with the OpenSSL names of its list below TLS 1.3, or `None`
    /// where libssl refuses. It is called some forty times. Nothing is assumed but the generation.
    ///
    /// ```no_run
    /// # fn ask_libssl(_: &str) -> Option<Vec<String>> { None }
    /// use patina_ciphers::{Generation, Library};
    /// let library = Library::detect(Generation::V3_0, ask_libssl);
    /// ```
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_cipher_list`, `SSL_CTX_get_ciphers`.
    #[must_use]
    pub fn detect(generation: Generation, ask: impl FnMut(&str) -> Option<Vec<String>>) -> Self {
        let mut library = Self::complete(generation);
        detect::detect(&mut library, ask);
        library.settle();
        library
    }

    /// The same libssl without an encryption algorithm (`no-camellia`, or a provider that is not loaded).
    #[must_use]
    pub fn without_encryption(mut self, encryption: Encryption) -> Self {
        self.disabled.enc |= encryption.bit();
        self.settle();
        self
    }

    /// The same libssl without a key exchange (`no-srp`, `no-psk`, `no-dh`); its authentication is a separate matter.
    #[must_use]
    pub fn without_key_exchange(mut self, kx: KeyExchange) -> Self {
        self.disabled.kx |= kx.bit();
        self.settle();
        self
    }

    /// The same libssl without a way to authenticate (`no-dsa`).
    #[must_use]
    pub fn without_authentication(mut self, auth: Authentication) -> Self {
        self.disabled.auth |= auth.bit();
        self.settle();
        self
    }

    /// The same libssl without a MAC (MD5 under FIPS).
    #[must_use]
    pub fn without_mac(mut self, mac: Mac) -> Self {
        self.disabled.mac |= mac.bit();
        self.settle();
        self
    }

    /// The same libssl with a compile-time option turned against its suites.
    #[must_use]
    pub fn without_option(mut self, option: BuildOption) -> Self {
        self.drop_option(option);
        self.settle();
        self
    }

    /// The same libssl with the legacy provider loaded: SEED, IDEA and RC4 (where the build has their suites).
    #[must_use]
    pub fn with_legacy_provider(mut self) -> Self {
        self.disabled.enc &= !LEGACY_PROVIDER;
        self.settle();
        self
    }

    /// The generation.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether this libssl has the suite.
    #[must_use]
    pub fn has(&self, suite: &Suite) -> bool {
        crate::lookup::index_of(suite.id).is_some_and(|index| self.has_index(index))
    }

    /// Every suite that this libssl has, by ascending id.
    pub fn suites(&self) -> impl Iterator<Item = &'static Suite> {
        SUITES.iter().enumerate().filter(|(index, _)| self.has_index(*index)).map(|(_, suite)| suite)
    }

    /// Every word that this libssl knows, commands and the words for the beginning excepted.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        let generation = self.generation;
        let names = SUITES.iter().flat_map(move |suite| {
            [Some(suite.openssl_name_in(generation)), suite.iana_name()].into_iter().flatten()
        });
        let aliases = ALIASES.iter().filter(move |alias| alias.is_in(generation)).map(|alias| alias.name);
        aliases.chain(names).filter(|word| self.lookup(word).is_some())
    }

    /// Why this libssl lacks the suite; `None` when it has it.
    #[must_use]
    pub fn why_absent(&self, suite: &Suite) -> Option<String> {
        if self.has(suite) {
            return None;
        }
        let lacking = |kind: &str, name: &str| Some(format!("this libssl has no {kind} {name}"));
        if suite.since > self.generation {
            Some(format!("libssl has it from {} on", suite.since))
        } else if suite.enc.bit() & self.disabled.enc != 0 {
            lacking("cipher", suite.enc.name())
        } else if suite.kx.bit() & self.disabled.kx != 0 {
            lacking("key exchange", suite.kx.name())
        } else if suite.auth.bit() & self.disabled.auth != 0 {
            lacking("authentication", suite.auth.name())
        } else if suite.mac.bit() & self.disabled.mac != 0 {
            lacking("MAC", suite.mac.name())
        } else {
            Some(match suite.option {
                Some(BuildOption::WeakSslCiphers) => {
                    "this libssl is built without enable-weak-ssl-ciphers".into()
                }
                Some(BuildOption::IntegrityOnlyCiphers) => {
                    "this libssl is built with no-integrity-only-ciphers".into()
                }
                _ => "this libssl is built without it".into(),
            })
        }
    }

    pub(crate) fn has_index(&self, index: usize) -> bool {
        !self.absent[index] && !self.disabled.covers(&SUITES[index])
    }

    /// Whether the build has the suite in its table, whatever its algorithms do.
    pub(crate) fn is_compiled_in(&self, index: usize) -> bool {
        !self.absent[index]
    }

    pub(crate) fn disabled(&self) -> &Disabled {
        &self.disabled
    }

    pub(crate) fn set_contents(&mut self, disabled: Disabled, absent: impl Fn(&Suite) -> bool) {
        self.disabled = disabled;
        for (slot, suite) in self.absent.iter_mut().zip(&SUITES) {
            *slot = suite.since > self.generation || absent(suite);
        }
    }

    pub(crate) fn initial_order(&self) -> &Order {
        &self.order
    }

    /// What a word stands for here; `None` where libssl does not know it.
    pub(crate) fn lookup(&self, word: &str) -> Option<(Entry, Criteria)> {
        let entry = Vocabulary::of(self.generation).get(word)?;
        match entry {
            Entry::Suite(index) => {
                let index = usize::from(index);
                self.has_index(index).then(|| (entry, Criteria::of(&SUITES[index], self.generation)))
            }
            Entry::Alias(alias) => {
                let criteria = &alias.criteria;
                let some_left = |wanted: u32, disabled: u32| wanted == 0 || wanted & !disabled != 0;
                (some_left(criteria.kx, self.disabled.kx)
                    && some_left(criteria.auth, self.disabled.auth)
                    && some_left(criteria.enc, self.disabled.enc)
                    && some_left(criteria.mac, self.disabled.mac))
                .then_some((entry, *criteria))
            }
        }
    }

    fn drop_option(&mut self, option: BuildOption) {
        // The other suites without encryption were not optional before 3.5.
        let applies = option != BuildOption::IntegrityOnlyCiphers || self.generation >= Generation::V3_5;
        for (absent, suite) in self.absent.iter_mut().zip(&SUITES) {
            *absent |= applies && suite.option == Some(option);
        }
    }

    /// Works the initial order out anew.
    fn settle(&mut self) {
        self.order = Order::initial(self.generation, |index| self.has_index(index));
    }
}

/// The ciphers that 3.0 moved into the legacy provider.
const LEGACY_PROVIDER: u32 = Encryption::Rc4.bit()
    | Encryption::Rc2.bit()
    | Encryption::Des.bit()
    | Encryption::Idea.bit()
    | Encryption::Seed.bit();
