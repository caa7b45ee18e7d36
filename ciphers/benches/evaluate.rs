//! Node's default cipher string: parsed and evaluated here, and given to libssl.
//!
//! `cargo bench -p patina-ciphers`
#![allow(missing_docs, clippy::expect_used)] // criterion's macros make undocumented functions.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use openssl::ssl::{SslContext, SslMethod};
use patina_ciphers::{CipherString, Generation, Library, Profile};

fn node_default(c: &mut Criterion) {
    let profile = Profile::by_name("node-default").expect("the profile");
    let library = Library::upstream(Generation::V3_0);
    let mut group = c.benchmark_group("node-default");
    group.bench_function("evaluate", |b| b.iter(|| library.evaluate(black_box(profile.legacy()))));
    group.bench_function("parse and evaluate", |b| {
        b.iter(|| {
            CipherString::parse_for(black_box(profile.legacy()), &library)
                .and_then(|it| it.evaluate(&library))
        })
    });
    group.bench_function("explain", |b| b.iter(|| library.explain(black_box(profile.legacy()))));
    // The context is made outside of the loop: that costs libssl 3 far more than the string does.
    let mut context = SslContext::builder(SslMethod::tls()).expect("a context");
    group.bench_function("SSL_CTX_set_cipher_list", |b| {
        b.iter(|| context.set_cipher_list(black_box(profile.legacy())))
    });
    group.finish();
}

criterion_group!(benches, node_default);
criterion_main!(benches);
