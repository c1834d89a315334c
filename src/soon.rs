//! A value that is there at once, mostly.
//!
//! Most requests are answered on the stack that brought them. For those nothing is boxed
//! and nobody woken; what takes longer is a future.

use std::pin::Pin;

use futures::future::{Either, LocalBoxFuture, Ready, ready};

/// A value that is there, or on its way.
pub(crate) enum Soon<T, L = Pin<Box<dyn Future<Output = T>>>> {
    /// It is there.
    Now(T),
    /// It takes longer.
    Later(L),
}

impl<T: 'static> Soon<T> {
    /// What `change` makes of the value.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U + 'static) -> Soon<U> {
        match self {
            Self::Now(value) => Soon::Now(change(value)),
            Self::Later(value) => Soon::Later(Box::pin(async move { change(value.await) })),
        }
    }
}

impl<T: 'static> IntoFuture for Soon<T> {
    type Output = T;
    type IntoFuture = Either<Ready<T>, LocalBoxFuture<'static, T>>;

    fn into_future(self) -> Self::IntoFuture {
        match self {
            Self::Now(value) => Either::Left(ready(value)),
            Self::Later(value) => Either::Right(value),
        }
    }
}
