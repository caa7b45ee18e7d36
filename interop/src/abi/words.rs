//! The words of Rust that have another form in C: `optional!`, conditions, numbers.

use syn::parse::{Parse, ParseStream};
use syn::{Expr, Meta, Token, Type};

/// The words of `optional!`: a `cfg`, a colon, functions that each end with what they answer where they are absent.
pub(super) struct Optional {
    pub(super) has: Meta,
    pub(super) functions: Vec<(syn::Ident, Vec<Type>, Type)>,
}

impl Parse for Optional {
    fn parse(input: ParseStream<'_>) -> syn::Result<Optional> {
        let has = input.parse()?;
        input.parse::<Token![:]>()?;
        let mut functions = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![fn]>()?;
            let name = input.parse()?;
            let list;
            syn::parenthesized!(list in input);
            let argument = |input: ParseStream<'_>| {
                input.parse::<syn::Ident>()?;
                input.parse::<Token![:]>()?;
                input.parse::<Type>()
            };
            let arguments = list.parse_terminated(argument, Token![,])?.into_iter().collect();
            input.parse::<Token![->]>()?;
            let answer = input.parse()?;
            input.parse::<Token![,]>()?;
            input.parse::<syn::Ident>()?;
            input.parse::<Expr>()?;
            input.parse::<Token![;]>()?;
            functions.push((name, arguments, answer));
        }
        Ok(Optional { has, functions })
    }
}

/// A `cfg` as the preprocessor takes it.
pub(super) fn condition(meta: &Meta) -> std::result::Result<String, String> {
    let unknown = || {
        format!(
            "the cfg {} has no counterpart in C",
            meta.path().get_ident().map_or("?".into(), ToString::to_string)
        )
    };
    match meta {
        Meta::Path(path) => {
            let name = path.get_ident().map(ToString::to_string).unwrap_or_default();
            match name.as_str() {
                "test" | "unix" => Ok("1".to_owned()),
                "ossl_trace" => Ok("!defined(OPENSSL_NO_SSL_TRACE)".to_owned()),
                _ => {
                    let digits =
                        name.strip_prefix("ossl").filter(|rest| rest.len() == 3).ok_or_else(unknown)?;
                    let number = u32::from_str_radix(digits, 16).map_err(|_| unknown())?;
                    Ok(format!(
                        "OPENSSL_VERSION_NUMBER >= {:#x}L",
                        (number >> 8) << 28 | (number >> 4 & 0xf) << 20
                    ))
                }
            }
        }
        Meta::NameValue(pair) if pair.path.is_ident("osslconf") => match &pair.value {
            Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(name), .. }) => {
                Ok(format!("defined({})", name.value()))
            }
            _ => Err(unknown()),
        },
        // With every feature.
        Meta::NameValue(pair) if pair.path.is_ident("feature") => Ok("1".to_owned()),
        Meta::NameValue(_) => Err(unknown()),
        Meta::List(list) => {
            let parse = syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated;
            let parts = list.parse_args_with(parse).map_err(|e| e.to_string())?;
            let parts = parts.iter().map(condition).collect::<std::result::Result<Vec<_>, _>>()?;
            let parts: Vec<String> = parts.into_iter().map(|part| format!("({part})")).collect();
            match list.path.get_ident().map(ToString::to_string).unwrap_or_default().as_str() {
                "not" => Ok(format!("!{}", parts.concat())),
                "any" => Ok(parts.join(" || ")),
                "all" => Ok(parts.join(" && ")),
                _ => Err(unknown()),
            }
        }
    }
}

/// A number, or numbers put together.
pub(super) fn c_value(value: &Expr) -> std::result::Result<String, ()> {
    match value {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(number), .. }) => Ok(number.base10_digits().to_owned()),
        Expr::Unary(syn::ExprUnary { op: syn::UnOp::Neg(_), expr, .. }) => Ok(format!("-{}", c_value(expr)?)),
        Expr::Paren(inner) => c_value(&inner.expr),
        Expr::Binary(both) => {
            let operator = match both.op {
                syn::BinOp::Shl(_) => "<<",
                syn::BinOp::BitOr(_) => "|",
                syn::BinOp::Add(_) => "+",
                _ => return Err(()),
            };
            Ok(format!("({} {operator} {})", c_value(&both.left)?, c_value(&both.right)?))
        }
        _ => Err(()),
    }
}
