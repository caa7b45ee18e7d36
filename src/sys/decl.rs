//! Declarations that `openssl-sys` lacks, checked against the headers of every supported libssl.
//!
//! One section a topic. A symbol that some supported version lacks is declared in [`super::compat`] instead,
//! behind its version `cfg`, with a fallback that answers "unsupported".
#![allow(clippy::upper_case_acronyms, reason = "the names are those of the C headers")]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals, unreachable_pub)]

use libc::{c_char, c_int, c_long, c_uchar, c_uint, c_ulong, c_void, size_t};
use openssl_sys::{
    ASN1_OBJECT, ASN1_TYPE, BIO, DH, EVP_MD, EVP_PKEY, SSL, SSL_CIPHER, SSL_CTX, SSL_METHOD, SSL_SESSION,
    X509, X509_CRL, X509_LOOKUP, X509_LOOKUP_METHOD, X509_NAME, X509_OBJECT, X509_STORE, X509_STORE_CTX,
    X509_VERIFY_PARAM, pem_password_cb, stack_st_SSL_CIPHER, stack_st_X509, stack_st_X509_CRL,
    stack_st_X509_NAME,
};

// --- numbers of ssl.h, the same in 1.1.1 to 4.0 ---
pub const SSL_CTRL_SET_MAX_SEND_FRAGMENT: c_int = 52;
pub const SSL_CTRL_GET_RI_SUPPORT: c_int = 76;
pub const SSL_CTRL_SET_CLIENT_SIGALGS_LIST: c_int = 102;
pub const SSL_CTRL_GET_PEER_TMP_KEY: c_int = 109;
pub const SSL_CTRL_SET_RETRY_VERIFY: c_int = 136;
pub const SSL_CLIENT_HELLO_SUCCESS: c_int = 1;
pub const SSL_CLIENT_HELLO_ERROR: c_int = 0;
pub const SSL_CLIENT_HELLO_RETRY: c_int = -1;
pub const SSL_ERROR_WANT_CLIENT_HELLO_CB: c_int = 11;
pub const SSL_ERROR_WANT_RETRY_VERIFY: c_int = 12;
pub const SSL_CB_READ: c_int = 0x04;
pub const SSL_CB_HANDSHAKE_START: c_int = 0x10;
pub const SSL_CB_HANDSHAKE_DONE: c_int = 0x20;
pub const SSL_CB_ALERT: c_int = 0x4000;

// --- ssl ---
type VerifyCallback = unsafe extern "C" fn(*mut X509_STORE_CTX, *mut c_void) -> c_int;
type VerifyStepCallback = unsafe extern "C" fn(c_int, *mut X509_STORE_CTX) -> c_int;
type PskClientCallback =
    unsafe extern "C" fn(*mut SSL, *const c_char, *mut c_char, c_uint, *mut c_uchar, c_uint) -> c_uint;
type PskServerCallback = unsafe extern "C" fn(*mut SSL, *const c_char, *mut c_uchar, c_uint) -> c_uint;
type PskUseSessionCallback = unsafe extern "C" fn(
    *mut SSL,
    *const EVP_MD,
    *mut *const c_uchar,
    *mut size_t,
    *mut *mut SSL_SESSION,
) -> c_int;
type PskFindSessionCallback =
    unsafe extern "C" fn(*mut SSL, *const c_uchar, size_t, *mut *mut SSL_SESSION) -> c_int;
pub type InfoCallback = unsafe extern "C" fn(*const SSL, c_int, c_int);
type MessageCallback =
    unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, size_t, *mut SSL, *mut c_void);
// SAFETY: the declarations are those of the headers of every supported libssl.
unsafe extern "C" {
    pub fn SSL_CTX_set_cert_verify_callback(ctx: *mut SSL_CTX, cb: Option<VerifyCallback>, arg: *mut c_void);
    pub fn SSL_CTX_set_info_callback(ctx: *mut SSL_CTX, cb: Option<InfoCallback>);
    pub fn SSL_CTX_set_msg_callback(ctx: *mut SSL_CTX, cb: Option<MessageCallback>);
    pub fn SSL_set_msg_callback(ssl: *mut SSL, cb: Option<MessageCallback>);
    pub fn SSL_CTX_set0_CA_list(ctx: *mut SSL_CTX, names: *mut stack_st_X509_NAME);
    pub fn SSL_CTX_set_timeout(ctx: *mut SSL_CTX, seconds: c_long) -> c_long;
    pub fn SSL_CTX_use_cert_and_key(
        ctx: *mut SSL_CTX,
        x509: *mut X509,
        key: *mut EVP_PKEY,
        chain: *mut stack_st_X509,
        replace: c_int,
    ) -> c_int;
    pub fn SSL_get_shared_sigalgs(
        ssl: *mut SSL,
        index: c_int,
        sign: *mut c_int,
        hash: *mut c_int,
        sign_and_hash: *mut c_int,
        raw_sign: *mut c_uchar,
        raw_hash: *mut c_uchar,
    ) -> c_int;
    pub fn BIO_method_name(bio: *const BIO) -> *const c_char;
    pub fn BIO_up_ref(bio: *mut BIO) -> c_int;
    pub fn SSL_CTX_use_psk_identity_hint(ctx: *mut SSL_CTX, hint: *const c_char) -> c_int;
    pub fn SSL_CTX_set_psk_use_session_callback(ctx: *mut SSL_CTX, cb: Option<PskUseSessionCallback>);
    pub fn SSL_CTX_set_psk_find_session_callback(ctx: *mut SSL_CTX, cb: Option<PskFindSessionCallback>);
    pub fn SSL_set_psk_find_session_callback(ssl: *mut SSL, cb: Option<PskFindSessionCallback>);
    pub fn SSL_CTX_set_psk_server_callback(ctx: *mut SSL_CTX, cb: Option<PskServerCallback>);
    pub fn SSL_CTX_set_psk_client_callback(ctx: *mut SSL_CTX, cb: Option<PskClientCallback>);
    pub fn SSL_set_psk_server_callback(ssl: *mut SSL, cb: Option<PskServerCallback>);
    pub fn SSL_get_pending_cipher(ssl: *const SSL) -> *const SSL_CIPHER;
    pub fn SSL_CIPHER_find(ssl: *mut SSL, id: *const c_uchar) -> *const SSL_CIPHER;
    pub fn SSL_SESSION_new() -> *mut SSL_SESSION;
    pub fn SSL_SESSION_set1_master_key(session: *mut SSL_SESSION, key: *const c_uchar, len: size_t) -> c_int;
    pub fn SSL_SESSION_set_cipher(session: *mut SSL_SESSION, cipher: *const SSL_CIPHER) -> c_int;
    pub fn SSL_SESSION_set_protocol_version(session: *mut SSL_SESSION, version: c_int) -> c_int;
}

// --- the certificate that is shown ---
type CertificateCallback = unsafe extern "C" fn(*mut SSL, *mut c_void) -> c_int;
// SAFETY: the declarations are those of the headers of every supported libssl.
unsafe extern "C" {
    pub fn SSL_CTX_set_cert_cb(ctx: *mut SSL_CTX, cb: Option<CertificateCallback>, arg: *mut c_void);
    pub fn SSL_certs_clear(ssl: *mut SSL);
    pub fn SSL_use_cert_and_key(
        ssl: *mut SSL,
        x509: *mut X509,
        key: *mut EVP_PKEY,
        chain: *mut stack_st_X509,
        replace: c_int,
    ) -> c_int;
    pub fn SSL_get_client_CA_list(ssl: *const SSL) -> *mut stack_st_X509_NAME;
}

// --- x509, stores, keys ---
pub const X509_VP_FLAG_OVERWRITE: u32 = 0x2;
pub const X509_VP_FLAG_RESET_FLAGS: u32 = 0x4;
/// The content of an `otherName` (x509v3.h).
#[repr(C)]
pub struct OTHERNAME {
    pub type_id: *mut ASN1_OBJECT,
    pub value: *mut ASN1_TYPE,
}

// SAFETY: the declarations are those of the headers of every supported libssl.
unsafe extern "C" {
    pub fn X509_STORE_add_crl(store: *mut X509_STORE, crl: *mut X509_CRL) -> c_int;
    pub fn X509_STORE_up_ref(store: *mut X509_STORE) -> c_int;
    pub fn X509_check_ca(certificate: *mut X509) -> c_int;
    pub fn X509_NAME_print_ex(out: *mut BIO, name: *const X509_NAME, indent: c_int, flags: c_ulong) -> c_int;
    pub fn EC_curve_nid2nist(nid: c_int) -> *const c_char;
    pub fn X509_STORE_CTX_get0_param(chain: *mut X509_STORE_CTX) -> *mut X509_VERIFY_PARAM;
    pub fn X509_STORE_CTX_get1_issuer(
        issuer: *mut *mut X509,
        chain: *mut X509_STORE_CTX,
        certificate: *mut X509,
    ) -> c_int;
    pub fn X509_STORE_CTX_set0_crls(chain: *mut X509_STORE_CTX, lists: *mut stack_st_X509_CRL);
    pub fn X509_STORE_CTX_set_default(chain: *mut X509_STORE_CTX, name: *const c_char) -> c_int;
    pub fn X509_STORE_CTX_set_ex_data(chain: *mut X509_STORE_CTX, slot: c_int, data: *mut c_void) -> c_int;
    pub fn X509_STORE_CTX_set_verify_cb(chain: *mut X509_STORE_CTX, cb: Option<VerifyStepCallback>);
    pub fn X509_VERIFY_PARAM_add0_policy(param: *mut X509_VERIFY_PARAM, policy: *mut ASN1_OBJECT) -> c_int;
    pub fn X509_VERIFY_PARAM_get_inh_flags(param: *const X509_VERIFY_PARAM) -> u32;
    pub fn X509_VERIFY_PARAM_set_inh_flags(param: *mut X509_VERIFY_PARAM, flags: u32) -> c_int;
    pub fn X509_VERIFY_PARAM_set1(to: *mut X509_VERIFY_PARAM, from: *const X509_VERIFY_PARAM) -> c_int;
}

// --- stores, look-ups, PEM, sessions ---
pub const X509_L_ADD_DIR: c_int = 2;
pub const X509_LU_X509: c_uint = 1;
type LookupBySubject =
    unsafe extern "C" fn(*mut X509_LOOKUP, c_uint, *const X509_NAME, *mut X509_OBJECT) -> c_int;
type LookupFree = unsafe extern "C" fn(*mut X509_LOOKUP);
// SAFETY: as in x509_vfy.h, pem.h, x509.h and ssl.h of 1.1.1 to 4.0, which differ in `const` alone.
unsafe extern "C" {
    pub fn SSL_CTX_set1_cert_store(ctx: *mut SSL_CTX, store: *mut X509_STORE);
    pub fn X509_LOOKUP_meth_new(name: *const c_char) -> *mut X509_LOOKUP_METHOD;
    pub fn X509_LOOKUP_meth_set_get_by_subject(
        method: *mut X509_LOOKUP_METHOD,
        cb: Option<LookupBySubject>,
    ) -> c_int;
    pub fn X509_LOOKUP_meth_set_free(method: *mut X509_LOOKUP_METHOD, cb: Option<LookupFree>) -> c_int;
    pub fn X509_LOOKUP_set_method_data(lookup: *mut X509_LOOKUP, data: *mut c_void) -> c_int;
    pub fn X509_LOOKUP_get_method_data(lookup: *const X509_LOOKUP) -> *mut c_void;
    pub fn X509_LOOKUP_get_store(lookup: *const X509_LOOKUP) -> *mut X509_STORE;
    pub fn X509_OBJECT_set1_X509(object: *mut X509_OBJECT, certificate: *mut X509) -> c_int;
    pub fn PEM_read_bio_X509_AUX(
        bio: *mut BIO,
        out: *mut *mut X509,
        callback: pem_password_cb,
        data: *mut c_void,
    ) -> *mut X509;
    pub fn d2i_X509_AUX(out: *mut *mut X509, bytes: *mut *const c_uchar, length: c_long) -> *mut X509;
    pub fn SSL_SESSION_has_ticket(session: *const SSL_SESSION) -> c_int;
    pub fn SSL_SESSION_get0_ticket(
        session: *const SSL_SESSION,
        ticket: *mut *const c_uchar,
        length: *mut size_t,
    );
    pub fn SSL_SESSION_get_ticket_lifetime_hint(session: *const SSL_SESSION) -> c_ulong;
    pub fn SSL_SESSION_is_resumable(session: *const SSL_SESSION) -> c_int;
    pub fn SSL_SESSION_get0_hostname(session: *const SSL_SESSION) -> *const c_char;
}

// --- keys by URI, passphrases, engines ---
pub enum OSSL_STORE_CTX {}
pub enum OSSL_STORE_INFO {}
pub enum UI_METHOD {}
type StorePostProcess = unsafe extern "C" fn(*mut OSSL_STORE_INFO, *mut c_void) -> *mut OSSL_STORE_INFO;
// SAFETY: as in store.h and ui.h of 1.1.1 to 4.0, which differ in `const` alone.
unsafe extern "C" {
    pub fn OSSL_STORE_open(
        uri: *const c_char,
        method: *const UI_METHOD,
        data: *mut c_void,
        process: Option<StorePostProcess>,
        process_data: *mut c_void,
    ) -> *mut OSSL_STORE_CTX;
    pub fn OSSL_STORE_load(store: *mut OSSL_STORE_CTX) -> *mut OSSL_STORE_INFO;
    pub fn OSSL_STORE_eof(store: *mut OSSL_STORE_CTX) -> c_int;
    pub fn OSSL_STORE_error(store: *mut OSSL_STORE_CTX) -> c_int;
    pub fn OSSL_STORE_close(store: *mut OSSL_STORE_CTX) -> c_int;
    pub fn OSSL_STORE_INFO_get1_PKEY(info: *const OSSL_STORE_INFO) -> *mut EVP_PKEY;
    pub fn OSSL_STORE_INFO_get1_CERT(info: *const OSSL_STORE_INFO) -> *mut X509;
    pub fn OSSL_STORE_INFO_free(info: *mut OSSL_STORE_INFO);
    pub fn UI_UTIL_wrap_read_pem_callback(callback: pem_password_cb, writing: c_int) -> *mut UI_METHOD;
    pub fn UI_destroy_method(method: *mut UI_METHOD);
}

// --- early data ---
pub const SSL_EARLY_DATA_REJECTED: c_int = 1;
pub const SSL_EARLY_DATA_ACCEPTED: c_int = 2;
type AllowEarlyDataCallback = unsafe extern "C" fn(*mut SSL, *mut c_void) -> c_int;
// SAFETY: as in ssl.h of 1.1.1 to 4.0, which differ in `const` alone.
unsafe extern "C" {
    pub fn SSL_CTX_set_recv_max_early_data(ctx: *mut SSL_CTX, bytes: u32) -> c_int;
    pub fn SSL_CTX_set_allow_early_data_cb(
        ctx: *mut SSL_CTX,
        cb: Option<AllowEarlyDataCallback>,
        arg: *mut c_void,
    );
    pub fn SSL_get_early_data_status(ssl: *const SSL) -> c_int;
    pub fn SSL_SESSION_get0_peer(session: *mut SSL_SESSION) -> *mut X509;
    pub fn SSL_SESSION_get0_alpn_selected(
        session: *const SSL_SESSION,
        protocol: *mut *const c_uchar,
        length: *mut size_t,
    );
}

// --- later handshakes: renegotiation, post-handshake authentication, key update ---
pub const SSL_KEY_UPDATE_NOT_REQUESTED: c_int = 0;
pub const SSL_KEY_UPDATE_REQUESTED: c_int = 1;
// SAFETY: as in ssl.h of 1.1.1 to 4.0.
unsafe extern "C" {
    pub fn SSL_renegotiate(ssl: *mut SSL) -> c_int;
    pub fn SSL_renegotiate_abbreviated(ssl: *mut SSL) -> c_int;
    pub fn SSL_renegotiate_pending(ssl: *const SSL) -> c_int;
    pub fn SSL_key_update(ssl: *mut SSL, kind: c_int) -> c_int;
    pub fn SSL_verify_client_post_handshake(ssl: *mut SSL) -> c_int;
    pub fn SSL_set_post_handshake_auth(ssl: *mut SSL, on: c_int);
    pub fn SSL_in_before(ssl: *const SSL) -> c_int;
    pub fn SSL_in_init(ssl: *const SSL) -> c_int;
}

// --- a context that the application has made ---
pub const SSL_CTRL_MODE: c_int = 33;
pub const SSL_CTRL_CLEAR_MODE: c_int = 78;
pub const SSL_MODE_ASYNC: c_long = 0x100;
// SAFETY: as in ssl.h of 1.1.1 to 4.0.
unsafe extern "C" {
    pub fn SSL_CTX_get_info_callback(ctx: *mut SSL_CTX) -> Option<InfoCallback>;
    pub fn SSL_get_info_callback(ssl: *const SSL) -> Option<InfoCallback>;
    pub fn SSL_set_info_callback(ssl: *mut SSL, cb: Option<InfoCallback>);
    pub fn SSL_CTX_get_ssl_method(ctx: *const SSL_CTX) -> *const SSL_METHOD;
    pub fn SSL_is_dtls(ssl: *const SSL) -> c_int;
    pub fn SSL_set_read_ahead(ssl: *mut SSL, on: c_int);
}

// --- what the extension traits reach ---
pub const SSL_CTRL_GET_TOTAL_RENEGOTIATIONS: c_int = 12;
pub const SSL_CTRL_SESS_NUMBER: c_int = 20;
pub const SSL_CTRL_GET_MAX_CERT_LIST: c_int = 50;
pub const SSL_CTRL_SET_MAX_CERT_LIST: c_int = 51;
pub const SSL_CTRL_GET_TLSEXT_TICKET_KEYS: c_int = 58;
pub const SSL_CTRL_SET_TLSEXT_TICKET_KEYS: c_int = 59;
pub const SSL_CTRL_SET_SIGALGS_LIST: c_int = 98;
pub const SSL_CTRL_GET_PEER_SIGNATURE_NID: c_int = 108;
pub const SSL_CTRL_GET_SIGNATURE_NID: c_int = 132;
pub const SSL_CTRL_SET_SPLIT_SEND_FRAGMENT: c_int = 125;
pub const NID_kx_dhe: c_int = 1039;
pub const NID_kx_dhe_psk: c_int = 1041;
pub const NID_kx_any: c_int = 1063;
// SAFETY: as in ssl.h of 1.1.1 to 4.0, which differ in `const` alone.
unsafe extern "C" {
    pub fn SSL_get_peer_signature_type_nid(ssl: *const SSL, nid: *mut c_int) -> c_int;
    pub fn SSL_get_read_ahead(ssl: *const SSL) -> c_int;
    pub fn SSL_has_pending(ssl: *const SSL) -> c_int;
    pub fn SSL_free_buffers(ssl: *mut SSL) -> c_int;
    pub fn SSL_set_quiet_shutdown(ssl: *mut SSL, on: c_int);
    pub fn SSL_get_quiet_shutdown(ssl: *const SSL) -> c_int;
    pub fn SSL_CTX_set_quiet_shutdown(ctx: *mut SSL_CTX, on: c_int);
    pub fn SSL_CTX_get_quiet_shutdown(ctx: *const SSL_CTX) -> c_int;
    pub fn SSL_set_session_id_context(ssl: *mut SSL, id: *const c_uchar, len: c_uint) -> c_int;
    pub fn SSL_use_psk_identity_hint(ssl: *mut SSL, hint: *const c_char) -> c_int;
    pub fn SSL_set_verify_result(ssl: *mut SSL, result: c_long);
    pub fn SSL_get0_peer_CA_list(ssl: *const SSL) -> *const stack_st_X509_NAME;
    pub fn SSL_CTX_get_ciphers(ctx: *const SSL_CTX) -> *mut stack_st_SSL_CIPHER;
    pub fn SSL_get1_supported_ciphers(ssl: *mut SSL) -> *mut stack_st_SSL_CIPHER;
    pub fn SSL_get_client_ciphers(ssl: *const SSL) -> *mut stack_st_SSL_CIPHER;
    pub fn SSL_get_shared_ciphers(ssl: *const SSL, buf: *mut c_char, size: c_int) -> *mut c_char;
    pub fn SSL_get_key_update_type(ssl: *const SSL) -> c_int;
    pub fn SSL_CTX_get_timeout(ctx: *const SSL_CTX) -> c_long;
    pub fn SSL_CTX_set_block_padding(ctx: *mut SSL_CTX, block_size: size_t) -> c_int;
    pub fn SSL_CIPHER_get_kx_nid(cipher: *const SSL_CIPHER) -> c_int;
    pub fn SSL_CIPHER_get_auth_nid(cipher: *const SSL_CIPHER) -> c_int;
    pub fn SSL_SESSION_set_timeout(session: *mut SSL_SESSION, seconds: c_long) -> c_long;
    pub fn SSL_SESSION_get0_id_context(session: *const SSL_SESSION, len: *mut c_uint) -> *const c_uchar;
}

// --- Diffie-Hellman parameters ---
// SAFETY: as in dh.h of 1.1.1 to 4.0.
unsafe extern "C" {
    pub fn DH_new_by_nid(nid: c_int) -> *mut DH;
    pub fn DH_get_length(dh: *const DH) -> c_long;
    pub fn DH_set_length(dh: *mut DH, length: c_long) -> c_int;
}

// --- providers: names for what 1.1.1 lacks, so that `compat` can speak of them everywhere ---
pub enum OSSL_LIB_CTX {}
pub enum OSSL_PROVIDER {}
pub enum OSSL_CORE_HANDLE {}
