//! OCSP responses out of files, for `patina serve --ocsp-response`.

use std::path::PathBuf;
use std::sync::Arc;

use patina_tls::{HookFuture, HookResult, OcspCache, OcspRequest, OcspResponse, OcspSource};

use crate::failure::Failure;

/// The responses of some files, each behind a cache, which staples none that has expired.
#[derive(Debug, Clone)]
pub(crate) struct OcspFiles(Arc<[OcspCache]>);

impl OcspFiles {
    pub(crate) fn read(files: &[PathBuf]) -> Result<OcspFiles, Failure> {
        let read = files.iter().map(|file| OcspResponse::from_der_file(file).map(OcspCache::new));
        let caches = read.collect::<Result<_, _>>();
        caches.map(OcspFiles).map_err(|error| Failure::option("--ocsp-response", &error))
    }
}

impl OcspSource for OcspFiles {
    fn staple(&self, request: OcspRequest) -> HookFuture<HookResult<Option<Vec<u8>>>> {
        let caches = Arc::clone(&self.0);
        Box::pin(async move {
            for cache in caches.iter() {
                if let Some(response) = cache.staple(request.clone()).await? {
                    return Ok(Some(response));
                }
            }
            Ok(None)
        })
    }
}
