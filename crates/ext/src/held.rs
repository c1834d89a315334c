//! Memory that native code holds for an isolate, which V8 knows nothing of.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use deno_web::BlobPart;

/// The account of one isolate; clones are the same account. It can be read from any thread.
#[derive(Clone, Default)]
pub struct Held(Arc<Account>);

#[derive(Default)]
struct Account {
    bytes: AtomicUsize,
    on_growth: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// Growth of one charge that somebody is told of.
const NOTEWORTHY: usize = 4 * 1024 * 1024;

impl Held {
    /// Bytes that are held now.
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Puts bytes on the account until the charge is dropped.
    pub fn charge(&self, bytes: usize) -> Charge {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        Charge { held: self.clone(), bytes }
    }

    /// Whom to tell when a charge has grown by some megabytes: that happens while no
    /// JavaScript runs, which would be looked at.
    pub fn on_growth(&self, tell: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.on_growth.set(Box::new(tell));
    }
}

/// Bytes on an account.
pub struct Charge {
    held: Held,
    bytes: usize,
}

impl Charge {
    /// Puts more on the account.
    pub fn grow(&mut self, bytes: usize) {
        let before = self.bytes;
        self.held.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before / NOTEWORTHY != self.bytes / NOTEWORTHY
            && let Some(tell) = self.held.0.on_growth.get()
        {
            tell();
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.held.0.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes of a `Blob`, which live outside of V8.
pub(crate) struct HeldPart {
    bytes: Box<[u8]>,
    _charge: Charge,
}

impl HeldPart {
    pub(crate) fn new(bytes: &[u8], held: &Held) -> Self {
        Self { _charge: held.charge(bytes.len()), bytes: bytes.into() }
    }
}

impl fmt::Debug for HeldPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldPart").field("bytes", &self.bytes.len()).finish()
    }
}

impl BlobPart for HeldPart {
    fn read<'a, 'async_trait>(&'a self) -> Pin<Box<dyn Future<Output = &'a [u8]> + Send + 'async_trait>>
    where
        'a: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(std::future::ready(&*self.bytes))
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_held_no_more() {
        let held = Held::default();
        let mut charge = held.charge(10);
        charge.grow(5);
        let part = HeldPart::new(b"abc", &held);
        assert_eq!((held.bytes(), part.size()), (18, 3));
        drop((charge, part));
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn growth_is_told_every_few_megabytes() {
        let (held, told) = (Held::default(), Arc::new(AtomicUsize::new(0)));
        let seen = told.clone();
        held.on_growth(move || {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        let mut charge = held.charge(0);
        (0..33).for_each(|_| charge.grow(NOTEWORTHY / 8));
        assert_eq!(told.load(Ordering::Relaxed), 4);
    }
}
