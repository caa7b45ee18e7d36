//! Certificates: what the `openssl` crate does not read, or reads only up to the first NUL byte.

use std::ffi::{CStr, c_char, c_int, c_long};
use std::{ptr, slice};

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::asn1::{Asn1Object, Asn1ObjectRef, Asn1StringRef};
use openssl::nid::Nid;
use openssl::stack::{Stack, Stackable};
use openssl::x509::{AccessDescription, GeneralName as OpensslGeneralName, GeneralNameRef, X509Ref};
use openssl_sys as ffi;

use super::{decl, queue};

/// `ASN1_STRFLGS_ESC_2253 | UTF8_CONVERT | DUMP_UNKNOWN | DUMP_DER` and the separators of RFC 2253, but without
/// `ESC_CTRL` and `ESC_MSB`: the caller escapes the whole (asn1.h, x509.h).
const NAME_RFC2253_UNESCAPED: u64 = 0x0111_0311;

/// The extension of RFC 7633 (obj_mac.h).
#[allow(non_upper_case_globals, reason = "the name is that of the C header")]
const NID_tlsfeature: c_int = 1020;

/// What a certificate says under an extension.
#[derive(Debug)]
pub(crate) enum Extension<T> {
    /// The certificate does not have the extension.
    Absent,
    /// The extension is there and libssl cannot decode it.
    Malformed,
    /// The decoded extension.
    Present(T),
}

/// A `GeneralName` (RFC 5280 section 4.2.1.6), its strings as the bytes that stand in the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GeneralName {
    /// The dotted object identifier and the string, where the value is one of the two kinds that have a text.
    Other {
        oid: String,
        value: OtherValue,
    },
    Email(Vec<u8>),
    Dns(Vec<u8>),
    X400,
    /// The name in the form of RFC 2253, as UTF-8.
    Directory(Vec<u8>),
    EdiParty,
    Uri(Vec<u8>),
    Ip(Vec<u8>),
    /// The dotted object identifier.
    RegisteredId(String),
}

/// The value of an `otherName`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OtherValue {
    Utf8(Vec<u8>),
    Ia5(Vec<u8>),
    Unsupported,
}

/// Whether the certificate says that it is one of an authority: `X509_check_ca` gives 1, not one of its guesses.
pub(crate) fn is_ca(certificate: &X509Ref) -> bool {
    // SAFETY: the certificate is alive. The call fills its extension cache, under the certificate's own lock.
    let answer = unsafe { decl::X509_check_ca(certificate.as_ptr()) };
    queue::clear();
    answer == 1
}

/// The object identifier as numbers and dots; empty for one that has no text.
pub(crate) fn dotted(object: &Asn1ObjectRef) -> String {
    object_text(object, true)
}

/// The long name that libssl knows the object by, else its numbers.
pub(crate) fn long_name(object: &Asn1ObjectRef) -> String {
    object_text(object, false)
}

fn object_text(object: &Asn1ObjectRef, numeric: bool) -> String {
    // SAFETY: the object is alive; without a buffer the call only measures (OBJ_obj2txt(3)).
    let length = unsafe { ffi::OBJ_obj2txt(ptr::null_mut(), 0, object.as_ptr(), c_int::from(numeric)) };
    let Some(room) = usize::try_from(length).ok().filter(|&l| l > 0) else {
        queue::clear();
        return String::new();
    };
    let mut text = vec![0u8; room + 1];
    // SAFETY: the buffer has room for `length` bytes and the NUL, and its size is given.
    unsafe {
        ffi::OBJ_obj2txt(
            text.as_mut_ptr().cast::<c_char>(),
            length + 1,
            object.as_ptr(),
            c_int::from(numeric),
        )
    };
    text.truncate(room);
    String::from_utf8_lossy(&text).into_owned()
}

/// The string converted to UTF-8, whole, NUL bytes and all; `None` when it is no character string or malformed.
pub(crate) fn utf8(string: &Asn1StringRef) -> Option<String> {
    let mut text = ptr::null_mut();
    // SAFETY: the string is alive; `text` receives an allocation of the returned length when that is not negative.
    let length = unsafe { ffi::ASN1_STRING_to_UTF8(&raw mut text, string.as_ptr()) };
    let Ok(length) = usize::try_from(length) else {
        queue::clear();
        return None;
    };
    if text.is_null() {
        return Some(String::new());
    }
    // SAFETY: the call above allocated `length` bytes at `text`, which is freed once, after the copy.
    let owned = unsafe {
        let owned = String::from_utf8_lossy(slice::from_raw_parts(text, length)).into_owned();
        ffi::OPENSSL_free(text.cast());
        owned
    };
    Some(owned)
}

/// The subject's alternative names: the first such extension counts.
pub(crate) fn subject_alt_names(certificate: &X509Ref) -> Extension<Vec<GeneralName>> {
    // SAFETY: a subjectAltName decodes to a stack of GENERAL_NAME (X509V3_EXT_d2i(3)).
    let names = unsafe { first_extension::<OpensslGeneralName>(certificate, ffi::NID_subject_alt_name) };
    names.and_then(|names| names.iter().map(general_name).collect())
}

/// The subject's alternative names as they stand in the certificate, in DER, not decoded: the first such extension.
pub(crate) fn encoded_alt_names(certificate: &X509Ref) -> Option<&[u8]> {
    // SAFETY: the certificate is alive, and owns the extension, its value, and the bytes of that.
    unsafe {
        let index = ffi::X509_get_ext_by_NID(certificate.as_ptr(), ffi::NID_subject_alt_name, -1);
        if index < 0 {
            return None;
        }
        let value = ffi::X509_EXTENSION_get_data(ffi::X509_get_ext(certificate.as_ptr(), index));
        let (start, length) =
            (ffi::ASN1_STRING_get0_data(value.cast()), ffi::ASN1_STRING_length(value.cast()));
        let length = usize::try_from(length).ok().filter(|_| !start.is_null())?;
        Some(slice::from_raw_parts(start, length))
    }
}

/// The entries of the authority information access extension: the method's long name and the location.
pub(crate) fn info_access(certificate: &X509Ref) -> Extension<Vec<(String, GeneralName)>> {
    // SAFETY: an authorityInfoAccess decodes to a stack of ACCESS_DESCRIPTION.
    let entries = unsafe { first_extension::<AccessDescription>(certificate, ffi::NID_info_access) };
    entries.and_then(|entries| {
        entries.iter().map(|e| Some((long_name(e.method()), general_name(e.location())?))).collect()
    })
}

/// The dotted object identifiers of the extended key usage; `None` without one, with two, or with a malformed one.
pub(crate) fn extended_key_usage(certificate: &X509Ref) -> Option<Vec<String>> {
    // SAFETY: the certificate is alive; the result is null or a stack of ASN1_OBJECT that is ours to free.
    let stack = unsafe {
        let stack = ffi::X509_get_ext_d2i(
            certificate.as_ptr(),
            ffi::NID_ext_key_usage,
            ptr::null_mut(),
            ptr::null_mut(),
        );
        (!stack.is_null()).then(|| Stack::<Asn1Object>::from_ptr(stack.cast()))
    };
    if stack.is_none() {
        queue::clear();
    }
    stack.map(|stack| stack.iter().map(dotted).collect())
}

/// The numbers in the TLS feature extension (RFC 7633 section 4).
pub(crate) fn tls_features(certificate: &X509Ref) -> Extension<Vec<u64>> {
    // SAFETY: the certificate is alive and owns the extension that is found; the stack of ASN1_INTEGER that is decoded
    // from it is freed here, elements first.
    unsafe {
        let index = ffi::X509_get_ext_by_NID(certificate.as_ptr(), NID_tlsfeature, -1);
        if index < 0 {
            return Extension::Absent;
        }
        let stack =
            ffi::X509V3_EXT_d2i(ffi::X509_get_ext(certificate.as_ptr(), index)).cast::<ffi::OPENSSL_STACK>();
        if stack.is_null() {
            queue::clear();
            return Extension::Malformed;
        }
        let mut features = Vec::new();
        loop {
            let number = ffi::OPENSSL_sk_pop(stack).cast::<ffi::ASN1_INTEGER>();
            if number.is_null() {
                break;
            }
            let value = ffi::ASN1_INTEGER_get(number);
            ffi::ASN1_INTEGER_free(number);
            features.extend(u64::try_from(value));
        }
        ffi::OPENSSL_sk_free(stack);
        features.reverse();
        Extension::Present(features)
    }
}

/// The NIST name of a curve, such as `P-256`.
pub(crate) fn nist_name(curve: Nid) -> Option<&'static str> {
    // SAFETY: the call takes any number and answers null or a string that lives for ever.
    let name = unsafe {
        let name = decl::EC_curve_nid2nist(curve.as_raw());
        (!name.is_null()).then(|| CStr::from_ptr(name))
    };
    name.and_then(|n| n.to_str().ok())
}

impl<T> Extension<T> {
    /// Reads the content further; `None` says that it is malformed.
    pub(crate) fn and_then<U>(self, read: impl FnOnce(T) -> Option<U>) -> Extension<U> {
        match self {
            Extension::Absent => Extension::Absent,
            Extension::Malformed => Extension::Malformed,
            Extension::Present(value) => read(value).map_or(Extension::Malformed, Extension::Present),
        }
    }

    /// The decoded extension, if there is one.
    pub(crate) fn present(self) -> Option<T> {
        match self {
            Extension::Present(value) => Some(value),
            _ => None,
        }
    }
}

/// # Safety
/// The extension of that number must be one that libssl decodes to a stack of `T`.
unsafe fn first_extension<T: Stackable>(certificate: &X509Ref, nid: c_int) -> Extension<Stack<T>> {
    // SAFETY: the certificate is alive and owns the extension that is found; what is decoded from it is ours to
    // free, and a stack of `T` by the caller's contract.
    unsafe {
        let index = ffi::X509_get_ext_by_NID(certificate.as_ptr(), nid, -1);
        if index < 0 {
            return Extension::Absent;
        }
        let stack = ffi::X509V3_EXT_d2i(ffi::X509_get_ext(certificate.as_ptr(), index));
        if stack.is_null() {
            queue::clear();
            return Extension::Malformed;
        }
        Extension::Present(Stack::from_ptr(stack.cast()))
    }
}

/// `None` for a directory name that libssl cannot print.
fn general_name(name: &GeneralNameRef) -> Option<GeneralName> {
    // SAFETY: a decoded GENERAL_NAME holds, under each type, a pointer to what that type names (x509v3.h), and all
    // of it lives as long as `name` does.
    unsafe {
        let name = &*name.as_ptr();
        Some(match name.type_ {
            ffi::GEN_EMAIL => GeneralName::Email(bytes(name.d.cast())),
            ffi::GEN_DNS => GeneralName::Dns(bytes(name.d.cast())),
            ffi::GEN_URI => GeneralName::Uri(bytes(name.d.cast())),
            ffi::GEN_IPADD => GeneralName::Ip(bytes(name.d.cast())),
            ffi::GEN_RID => GeneralName::RegisteredId(dotted(Asn1ObjectRef::from_ptr(name.d.cast()))),
            ffi::GEN_DIRNAME => GeneralName::Directory(rfc2253(name.d.cast())?),
            ffi::GEN_OTHERNAME => other_name(name.d.cast()),
            ffi::GEN_X400 => GeneralName::X400,
            _ => GeneralName::EdiParty,
        })
    }
}

/// # Safety
/// `other` must point to a decoded `otherName`.
unsafe fn other_name(other: *const decl::OTHERNAME) -> GeneralName {
    // SAFETY: the caller's contract; both members of a decoded otherName are set, and the union member that is read
    // is the one that the type names.
    unsafe {
        let oid = dotted(Asn1ObjectRef::from_ptr((*other).type_id));
        let value = &*(*other).value;
        let value = match value.type_ {
            ffi::V_ASN1_UTF8STRING => OtherValue::Utf8(bytes(value.value.asn1_string)),
            ffi::V_ASN1_IA5STRING => OtherValue::Ia5(bytes(value.value.asn1_string)),
            _ => OtherValue::Unsupported,
        };
        GeneralName::Other { oid, value }
    }
}

/// # Safety
/// `string` must point to a live `ASN1_STRING`.
unsafe fn bytes(string: *const ffi::ASN1_STRING) -> Vec<u8> {
    // SAFETY: the caller's contract; data and length belong together, and an empty string may have no data.
    unsafe {
        let data = ffi::ASN1_STRING_get0_data(string);
        match usize::try_from(ffi::ASN1_STRING_length(string)) {
            Ok(length) if length > 0 && !data.is_null() => slice::from_raw_parts(data, length).to_vec(),
            _ => Vec::new(),
        }
    }
}

/// # Safety
/// `name` must point to a live `X509_NAME`.
unsafe fn rfc2253(name: *const ffi::X509_NAME) -> Option<Vec<u8>> {
    // SAFETY: the caller's contract; the memory BIO is made, read and freed here.
    unsafe {
        let bio = ffi::BIO_new(ffi::BIO_s_mem());
        if bio.is_null() || decl::X509_NAME_print_ex(bio, name, 0, NAME_RFC2253_UNESCAPED as _) < 0 {
            ffi::BIO_free_all(bio);
            queue::clear();
            return None;
        }
        let mut data: *mut c_char = ptr::null_mut();
        let length: c_long = ffi::BIO_get_mem_data(bio, &raw mut data);
        let text = match usize::try_from(length) {
            Ok(length) if length > 0 => slice::from_raw_parts(data.cast::<u8>(), length).to_vec(),
            _ => Vec::new(),
        };
        ffi::BIO_free_all(bio);
        Some(text)
    }
}
