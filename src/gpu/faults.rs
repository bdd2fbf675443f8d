//! How a device's errors come to light. A device of our own tells them to its handlers. One that is
//! shared has the handlers of the program that opened it, so that all we do there is done within error
//! scopes: what goes wrong in it is ours to report, and everything else is theirs.

use std::sync::{Arc, Mutex};

use wgpu::{Device, ErrorFilter};

use crate::error::GpuError;

/// All kinds of errors.
const FILTERS: [ErrorFilter; 3] = [
    ErrorFilter::Validation,
    ErrorFilter::OutOfMemory,
    ErrorFilter::Internal,
];

/// The first error of a device, which tells the cause.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    first: Arc<Mutex<Option<GpuError>>>,
    /// With a program that opened it.
    pub is_shared: bool,
}

impl Faults {
    /// Of a device that nobody else has handlers on.
    pub fn of_own(device: &Device) -> Self {
        let faults = Self::new(false);
        faults.listen_for_loss(device);
        let wrong = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error| wrong.keep(explain(error))));
        faults
    }

    /// Of a device whose handlers stay as they are.
    pub fn of_shared(device: &Device) -> Self {
        let faults = Self::new(true);
        // A browser tells everybody who asks; elsewhere one handler would take the other's place.
        if cfg!(target_arch = "wasm32") {
            faults.listen_for_loss(device);
        }
        faults
    }

    fn new(is_shared: bool) -> Self {
        Self {
            first: Arc::default(),
            is_shared,
        }
    }

    fn listen_for_loss(&self, device: &Device) {
        let lost = self.clone();
        device.set_device_lost_callback(move |reason, message| {
            let message = match message.is_empty() {
                true => format!("{reason:?}").to_lowercase(),
                false => message,
            };
            lost.keep(GpuError::Lost(message));
        });
    }

    /// The first error, if there was one.
    pub fn first(&self) -> Option<GpuError> {
        self.first.lock().expect("no panic holds the lock").clone()
    }

    fn keep(&self, error: GpuError) {
        let mut first = self.first.lock().expect("no panic holds the lock");
        first.get_or_insert(error);
    }

    /// Do something with the device. Its errors become faults, in a browser a little later.
    pub fn watched<T>(&self, device: &Device, work: impl FnOnce() -> T) -> T {
        match self.is_shared {
            true => self.scoped(device, work),
            false => work(),
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn scoped<T>(&self, device: &Device, work: impl FnOnce() -> T) -> T {
        let (made, error) = scoped(device, work);
        if let Some(error) = error {
            self.keep(self.cause(device, error));
        }
        made
    }

    #[cfg(target_arch = "wasm32")]
    fn scoped<T>(&self, device: &Device, work: impl FnOnce() -> T) -> T {
        let scopes = FILTERS.map(|filter| device.push_error_scope(filter));
        let made = work();
        let errors: Vec<_> = scopes.into_iter().rev().map(|scope| scope.pop()).collect();
        let faults = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            for error in errors {
                if let Some(error) = error.await {
                    faults.keep(explain(error));
                }
            }
        });
        made
    }

    /// What an error comes from: on a device that is lost, whatever is still done with it.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn cause(&self, device: &Device, error: wgpu::Error) -> GpuError {
        self.notice_loss(device);
        match self.first() {
            Some(lost @ GpuError::Lost(_)) => lost,
            _ => explain(error),
        }
    }

    /// Find out whether a device is lost whose handler would tell somebody else.
    pub fn notice_loss(&self, device: &Device) {
        #[cfg(not(target_arch = "wasm32"))]
        if self.is_shared && is_lost(device) {
            self.keep(GpuError::Lost("its owner was told why".to_owned()));
        }
        #[cfg(target_arch = "wasm32")]
        let _ = device;
    }
}

/// What was made, and the first error in doing so.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn scoped<T>(device: &Device, work: impl FnOnce() -> T) -> (T, Option<wgpu::Error>) {
    let scopes = FILTERS.map(|filter| device.push_error_scope(filter));
    let made = work();
    let errors = scopes
        .into_iter()
        .rev()
        .map(|scope| pollster::block_on(scope.pop()));
    let errors: Vec<_> = errors.collect();
    (made, errors.into_iter().flatten().next())
}

/// A lost device reports no errors at all; but what it makes cannot be used.
#[cfg(not(target_arch = "wasm32"))]
fn is_lost(device: &Device) -> bool {
    let (buffer, error) = scoped(device, || {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("sign of life"),
            size: 16,
            usage: wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        })
    });
    error.is_none() && buffer.get_mapped_range_mut(..).is_err()
}

fn explain(error: wgpu::Error) -> GpuError {
    match error {
        wgpu::Error::OutOfMemory { source } => GpuError::OutOfMemory(source.to_string()),
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            GpuError::Fault(description)
        }
    }
}
