//! What the library declares of libssl, read from its sources and said again in C.
//!
//! Read are the functions of every foreign block and of `optional!`, the types that they name, and every constant whose
//! name begins as libssl's do. The `cfg`s around them become conditions of the C preprocessor. What cannot be read is an
//! error: nothing is passed over.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Meta, Type};

mod values;
mod words;

pub use values::names;

use self::words::{Optional, c_value, condition};
use crate::trouble::{Result, Trouble};

/// How the names of libssl and libcrypto begin.
const PREFIXES: &[&str] = &[
    "ASN1_", "BIO_", "CRYPTO_", "DH_", "ENGINE_", "ERR_", "EVP_", "NID_", "OPENSSL_", "OSSL_", "PEM_",
    "SSL_", "UI_", "X509_", "XN_",
];

/// Constants that are members of an `enum`, which the preprocessor does not know.
const MEMBERS: &[&str] = &["X509_LU_X509"];

/// Types that have another name than in C, and types that stand for a pointer to one.
const TYPES: &[(&str, &str)] = &[
    ("Algorithm", "OSSL_ALGORITHM"),
    ("Dispatch", "OSSL_DISPATCH"),
    ("c_char", "char"),
    ("c_int", "int"),
    ("c_long", "long"),
    ("c_uchar", "unsigned char"),
    ("c_uint", "unsigned int"),
    ("c_ulong", "unsigned long"),
    ("c_void", "void"),
    ("i32", "int32_t"),
    ("i64", "int64_t"),
    ("pem_password_cb", "pem_password_cb *"),
    ("size_t", "size_t"),
    ("time_t", "time_t"),
    ("u16", "uint16_t"),
    ("u32", "uint32_t"),
    ("u64", "uint64_t"),
    ("u8", "uint8_t"),
    ("usize", "size_t"),
];

/// A Rust file.
#[derive(Debug)]
pub struct Source {
    name: String,
    file: syn::File,
}

impl Source {
    /// Parses it.
    ///
    /// # Errors
    /// It is no Rust.
    pub fn parse(name: String, text: &str) -> Result<Source> {
        let file = syn::parse_file(text).map_err(|e| Trouble::new(format!("{name}: {e}")))?;
        Ok(Source { name, file })
    }
}

/// What was read, as C.
#[derive(Debug, Default)]
pub struct Declarations {
    functions: BTreeMap<String, String>,
    constants: BTreeMap<String, String>,
}

impl Declarations {
    /// Reads a file.
    ///
    /// # Errors
    /// A declaration has a form or a type that has no counterpart here.
    pub fn read(&mut self, source: &Source) -> Result<()> {
        let mut reader = Reader {
            file: &source.name,
            conditions: vec![],
            scope: vec![],
            aliases: BTreeMap::new(),
            used: RefCell::default(),
            found: self,
            error: None,
        };
        // Names first: a type may stand below its use.
        reader.collect_aliases(&source.file.items);
        reader.visit_file(&source.file);
        match reader.error {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Adds constants that the library tells by itself.
    pub fn names(&mut self, names: impl IntoIterator<Item = (String, String)>) {
        self.constants.extend(names);
    }

    /// The names of the functions.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// The names of functions and constants.
    pub fn all(&self) -> impl Iterator<Item = String> {
        self.functions.keys().chain(self.constants.keys()).cloned()
    }

    /// The checks.
    pub fn to_c(&self) -> String {
        let mut text = String::new();
        text.extend(self.functions.values().map(String::as_str));
        text.extend(self.constants.values().map(String::as_str));
        text
    }
}

/// A check of a constant, where it is there.
fn defined(name: &str, value: &str, place: &str, is_member: bool) -> String {
    let (begin, end) = if is_member { (String::new(), "") } else { (format!("#ifdef {name}\n"), "#endif\n") };
    format!(
        "{begin}struct abi_constant_{name};\n_Static_assert({name} == ({value}), \"{place}: {name} is not {value}\");\n{end}"
    )
}

/// One function as it stands in a foreign block or in `optional!`.
struct Function<'a> {
    name: &'a syn::Ident,
    arguments: Vec<&'a Type>,
    answer: Option<&'a Type>,
}

struct Reader<'a> {
    file: &'a str,
    /// The conditions of what is around, as the preprocessor takes them.
    conditions: Vec<String>,
    /// The modules that are around.
    scope: Vec<String>,
    /// The types of this file by the path of their module and their name: the name in C, and what declares it.
    aliases: BTreeMap<(Vec<String>, String), (String, String)>,
    /// What declares the types that the declaration at hand names.
    used: RefCell<Vec<String>>,
    found: &'a mut Declarations,
    error: Option<Trouble>,
}

impl Reader<'_> {
    fn fail(&mut self, at: proc_macro2::Span, text: impl std::fmt::Display) {
        let line = at.start().line;
        self.error.get_or_insert(Trouble::new(format!("{}:{line}: {text}", self.file)));
    }

    fn keep<T>(&mut self, at: proc_macro2::Span, outcome: std::result::Result<T, String>) -> Option<T> {
        outcome.map_err(|text| self.fail(at, text)).ok()
    }

    /// Does something under the conditions of these attributes.
    fn under(&mut self, attributes: &[Attribute], step: impl FnOnce(&mut Self)) {
        let before = self.conditions.len();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
            let condition =
                attribute.parse_args::<Meta>().map_err(|e| e.to_string()).and_then(|meta| condition(&meta));
            let condition = self.keep(attribute.span(), condition);
            self.conditions.extend(condition);
        }
        step(self);
        self.conditions.truncate(before);
    }

    fn guarded(&self, text: &str) -> String {
        let mut all = String::new();
        for condition in &self.conditions {
            let _ = writeln!(all, "#if {condition}");
        }
        all += text;
        all + &"#endif\n".repeat(self.conditions.len())
    }

    /// Declares the types of callbacks and numbers that these items name. Others are left alone: one that a declaration
    /// uses is then missed there.
    fn collect_aliases(&mut self, items: &[syn::Item]) {
        for item in items {
            match item {
                syn::Item::Mod(module) => {
                    let Some((_, items)) = &module.content else { continue };
                    self.scope.push(module.ident.to_string());
                    self.under(&module.attrs, |this| this.collect_aliases(items));
                    self.scope.pop();
                }
                syn::Item::Type(alias) => {
                    let name = alias.ident.to_string();
                    let place = self.file.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
                    let c = format!("abi_{place}_{}_{name}", self.scope.join("_"));
                    let declarator = self.declarator(&alias.ty, &c);
                    let before = self.used.take().concat();
                    let Ok(declarator) = declarator else { continue };
                    self.under(&alias.attrs, |this| {
                        let text = this.guarded(&format!("{before}typedef {declarator};\n"));
                        // The same name may stand for one type in one version and for another in the next.
                        let place = this.aliases.entry((this.scope.clone(), name)).or_default();
                        place.0 = c;
                        place.1 += &text;
                    });
                }
                _ => {}
            }
        }
    }

    /// `int (*name)(char *)` for a function, `char * name` for the rest.
    fn declarator(&self, of: &Type, name: &str) -> std::result::Result<String, String> {
        match of {
            Type::BareFn(function) => {
                let arguments: Vec<&Type> = function.inputs.iter().map(|input| &input.ty).collect();
                let answer = match &function.output {
                    syn::ReturnType::Default => None,
                    syn::ReturnType::Type(_, answer) => Some(&**answer),
                };
                Ok(format!("{} (*{name})({})", self.answer(answer)?, self.arguments(&arguments)?))
            }
            _ => Ok(format!("{} {name}", self.c_type(of)?)),
        }
    }

    fn answer(&self, answer: Option<&Type>) -> std::result::Result<String, String> {
        match answer {
            None => Ok("void".to_owned()),
            Some(Type::Tuple(unit)) if unit.elems.is_empty() => Ok("void".to_owned()),
            Some(answer) => self.c_type(answer),
        }
    }

    fn arguments(&self, arguments: &[&Type]) -> std::result::Result<String, String> {
        if arguments.is_empty() {
            return Ok("void".to_owned());
        }
        Ok(arguments.iter().map(|it| self.c_type(it)).collect::<std::result::Result<Vec<_>, _>>()?.join(", "))
    }

    fn c_type(&self, of: &Type) -> std::result::Result<String, String> {
        match of {
            Type::Ptr(pointer) => {
                let inner = self.c_type(&pointer.elem)?;
                Ok(if pointer.const_token.is_some() {
                    format!("{inner} const *")
                } else {
                    format!("{inner} *")
                })
            }
            Type::BareFn(_) => self.declarator(of, ""),
            Type::Path(path) => {
                let last = path.path.segments.last().ok_or("an empty path")?;
                if let syn::PathArguments::AngleBracketed(arguments) = &last.arguments {
                    return match arguments.args.first() {
                        Some(syn::GenericArgument::Type(inner)) if last.ident == "Option" => {
                            self.c_type(inner)
                        }
                        _ => Err(format!("the type {} has no counterpart in C", last.ident)),
                    };
                }
                let name = last.ident.to_string();
                if let Some((c, text)) = self.alias(&name) {
                    self.used.borrow_mut().push(text.clone());
                    return Ok(c.clone());
                }
                if let Some((_, c)) = TYPES.iter().find(|(rust, _)| *rust == name) {
                    return Ok((*c).to_owned());
                }
                if name.starts_with("stack_st_") {
                    return Ok(format!("struct {name}"));
                }
                match name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
                    true => Ok(name),
                    false => Err(format!("the type {name} has no counterpart in C")),
                }
            }
            _ => Err("a type of this form has no counterpart in C".to_owned()),
        }
    }

    fn alias(&self, name: &str) -> Option<&(String, String)> {
        let mut scope = self.scope.clone();
        loop {
            if let Some(found) = self.aliases.get(&(scope.clone(), name.to_owned())) {
                return Some(found);
            }
            scope.pop()?;
        }
    }

    fn function(&mut self, function: &Function<'_>) {
        let name = function.name.to_string();
        let line = function.name.span().start().line;
        let text = self.answer(function.answer).and_then(|answer| {
            let arguments = self.arguments(&function.arguments)?;
            Ok(format!(
                "struct abi_function_{name};\n_Static_assert(__builtin_types_compatible_p(__typeof__(&{name}), {answer} \
                 (*)({arguments})), \"{}:{line}: {name} has another type\");\n",
                self.file
            ))
        });
        let types = self.used.take().concat();
        if let Some(text) = self.keep(function.name.span(), text) {
            let text = self.guarded(&format!("{types}{text}"));
            // Declared twice, under different conditions.
            *self.found.functions.entry(name).or_default() += &text;
        }
    }

    fn constant(&mut self, name: &syn::Ident, of: &Type, value: &Expr) {
        let span = name.span();
        let (name, line) = (name.to_string(), span.start().line);
        // Texts are no constants of the headers.
        if matches!(of, Type::Reference(_)) || !PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            return;
        }
        let value = c_value(value).map_err(|()| format!("the value of {name} has no counterpart in C"));
        let Some(value) = self.keep(span, value) else { return };
        let text = defined(&name, &value, &format!("{}:{line}", self.file), MEMBERS.contains(&name.as_str()));
        let text = self.guarded(&text);
        *self.found.constants.entry(name).or_default() += &text;
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.scope.push(module.ident.to_string());
        self.under(&module.attrs, |this| visit::visit_item_mod(this, module));
        self.scope.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.under(&function.attrs, |this| visit::visit_item_fn(this, function));
    }

    fn visit_item_foreign_mod(&mut self, block: &'ast syn::ItemForeignMod) {
        self.under(&block.attrs, |this| {
            for item in &block.items {
                match item {
                    syn::ForeignItem::Fn(item) => this.under(&item.attrs, |this| {
                        let typed = |input: &'ast syn::FnArg| match input {
                            syn::FnArg::Typed(input) => Some(&*input.ty),
                            syn::FnArg::Receiver(_) => None,
                        };
                        let answer = match &item.sig.output {
                            syn::ReturnType::Default => None,
                            syn::ReturnType::Type(_, answer) => Some(&**answer),
                        };
                        let arguments = item.sig.inputs.iter().filter_map(typed).collect();
                        this.function(&Function { name: &item.sig.ident, arguments, answer });
                    }),
                    other => this.fail(other.span(), "only functions are declared"),
                }
            }
        });
    }

    fn visit_item_const(&mut self, constant: &'ast syn::ItemConst) {
        self.under(&constant.attrs, |this| this.constant(&constant.ident, &constant.ty, &constant.expr));
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if !call.path.is_ident("optional") {
            return;
        }
        match call.parse_body::<Optional>() {
            Err(error) => self.fail(call.span(), error),
            Ok(optional) => {
                let Some(condition) = self.keep(call.span(), condition(&optional.has)) else { return };
                self.conditions.push(condition);
                for (name, arguments, answer) in &optional.functions {
                    self.function(&Function {
                        name,
                        arguments: arguments.iter().collect(),
                        answer: Some(answer),
                    });
                }
                self.conditions.pop();
            }
        }
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        self.under(&item.attrs, |this| this.visit_macro(&item.mac));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOREIGN: &str = r#"unsafe extern "C" { ... }"#;

    fn read(text: &str) -> Result<String> {
        let mut declared = Declarations::default();
        declared.read(&Source::parse("a.rs".to_owned(), text)?)?;
        Ok(declared.to_c())
    }

    #[test]
    fn a_function_is_said_again_in_c() {
        let callback = r#"type Callback = unsafe extern "C" fn(*const SSL) -> c_int;"#;
        let function = "fn SSL_x(ssl: *mut SSL, names: *mut *const c_uchar, cb: Option<Callback>);";
        let text = format!("{callback}\n{}", FOREIGN.replace("...", function));
        let c = read(&text).unwrap();
        assert!(c.starts_with("typedef int (*abi_a_rs__Callback)(SSL const *);\n"), "{c}");
        assert!(c.contains("void (*)(SSL *, unsigned char const * *, abi_a_rs__Callback)"), "{c}");
        assert!(c.contains("a.rs:2: SSL_x"), "{c}");
    }

    #[test]
    fn conditions_are_those_of_everything_around() {
        let text = "#[cfg(ossl300)] mod m { optional! { not(any(osslconf = \"OPENSSL_NO_ENGINE\", ossl400)): \
                    fn ENGINE_x() -> (), absent (); } }";
        let c = read(text).unwrap();
        let conditions = "#if OPENSSL_VERSION_NUMBER >= 0x30000000L\n#if !((defined(OPENSSL_NO_ENGINE)) || (OPENSSL_VERSION_NUMBER >= 0x40000000L))\n";
        assert!(c.starts_with(conditions), "{c}");
        assert!(c.contains("void (*)(void)") && c.ends_with("#endif\n#endif\n"), "{c}");
    }

    #[test]
    fn constants_are_found_wherever_they_stand() {
        let c = read("fn f() { const SSL_CTRL_X: c_int = 1 << 4 | 0x2; } const OURS: u8 = 1;").unwrap();
        assert!(c.contains("SSL_CTRL_X == (((1 << 4) | 2))") && !c.contains("OURS"), "{c}");
    }

    #[test]
    fn what_cannot_be_said_is_an_error() {
        for text in [
            FOREIGN.replace("...", "fn SSL_x(x: Vec<u8>);"),
            FOREIGN.replace("...", "fn SSL_x(x: Unknown);"),
            FOREIGN.replace("...", "static SSL_x: u8;"),
            FOREIGN.replace("...", "#[cfg(windows)] fn SSL_x();"),
            "const SSL_X: u8 = other();".to_owned(),
            "optional! { ossl300: fn SSL_x(); }".to_owned(),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
    }
}
