//! An opened adapter.

use super::adapter::{self, AdapterReport, Capacity, Choice};
use super::wait::{answer, wait};
use crate::error::{Error, Result};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// What a device says of something that was made.
type Verdict = Pin<Box<dyn Future<Output = Option<wgpu::Error>> + Send>>;

/// Verdicts that have not come yet, and on what.
#[derive(Default)]
struct Awaited(Mutex<Vec<(String, Verdict)>>);

impl fmt::Debug for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Awaited")
    }
}

/// An opened adapter: its queue, what it can do, and the first thing that went wrong on it.
///
/// No call panics on a failure of the device: mistakes found by the driver are kept and returned as an error by
/// the next call that waits for results.
#[derive(Debug)]
pub struct Device {
    device: wgpu::Device,
    queue: wgpu::Queue,
    report: AdapterReport,
    failure: Arc<Mutex<Option<String>>>,
    awaited: Awaited,
}

impl Device {
    /// Opens the chosen adapter with all the limits it has, in a browser with those that every one has.
    pub(crate) async fn request(choice: &Choice) -> Result<Self> {
        let (adapter, mut report) = adapter::choose(choice).await?;
        // What one binding may hold is asked for in full; every limit is a promise the adapter made.
        let limits = if cfg!(target_arch = "wasm32") { wgpu::Limits::default() } else { adapter.limits() };
        let features = adapter.features() & wgpu::Features::TIMESTAMP_QUERY;
        let opened = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("fastweights"),
            required_features: features,
            required_limits: limits,
            // Few large buffers are made once: blocks larger than asked for would only waste memory.
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        });
        let (device, queue) =
            opened.await.map_err(|e| Error::device(format!("{report}: cannot be opened: {e}")))?;
        report.capacity = Capacity::from(&device.limits());
        let failure = Arc::new(Mutex::new(None));
        let keep = |failure: &Arc<Mutex<Option<String>>>| {
            let failure = Arc::clone(failure);
            move |text: String| {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
            }
        };
        let on_error = keep(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| on_error(error.to_string())));
        let on_loss = keep(&failure);
        device.set_device_lost_callback(move |reason, text| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                on_loss(format!("the device was lost: {text}"));
            }
        });
        Ok(Self { device, queue, report, failure, awaited: Awaited::default() })
    }

    /// The adapter.
    #[must_use]
    pub fn report(&self) -> &AdapterReport {
        &self.report
    }

    /// The limits it was opened with.
    #[must_use]
    pub fn capacity(&self) -> &Capacity {
        &self.report.capacity
    }

    /// The device as `wgpu` knows it.
    #[must_use]
    pub fn raw(&self) -> &wgpu::Device {
        &self.device
    }

    /// Its queue.
    #[must_use]
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// A zeroed buffer of `bytes` bytes.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) if no buffer may be so large, [`Device`](crate::ErrorKind::Device) if
    /// memory is short.
    pub fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let size = bytes.max(16).next_multiple_of(16);
        if size > self.capacity().buffer_bytes {
            let hint = "use a smaller meta-batch";
            return Err(Error::limit(
                format!("bytes of a buffer ({label})"),
                size,
                self.capacity().buffer_bytes,
                hint,
            ));
        }
        self.scoped(&format!("buffer `{label}` of {size} bytes"), || {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation: false,
            })
        })
    }

    /// Runs `make` and turns what the device reports meanwhile into an error that names `what`. A browser reports later: what
    /// it says then is an error of the next call that awaits results.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) with the driver's or compiler's words.
    pub fn scoped<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T> {
        let filters =
            [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let made = make();
        // All are closed before anything else is made.
        let verdicts: Vec<_> = scopes.into_iter().rev().map(wgpu::ErrorScopeGuard::pop).collect();
        let mut verdict: Verdict = Box::pin(async move {
            let mut failed = None;
            for verdict in verdicts {
                failed = verdict.await.or(failed);
            }
            failed
        });
        match verdict.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(error)) => return Err(Error::device(format!("{what}: {error}"))),
            Poll::Ready(None) => {}
            Poll::Pending => {
                let mut awaited = self.awaited.0.lock().unwrap_or_else(PoisonError::into_inner);
                awaited.push((what.to_owned(), verdict));
            }
        }
        Ok(made)
    }

    /// Waits until everything submitted so far is done.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) with the first failure since the device was opened.
    pub fn wait(&self) -> Result<()> {
        wait(async {
            let (teller, told) = answer();
            self.queue.on_submitted_work_done(move || teller.tell(()));
            self.poll(None)?;
            told.await?;
            self.verdicts().await
        })
    }

    /// Has the device work until one submission, or with `None` every submission, is done; a browser does so by itself.
    fn poll(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let poll = wgpu::PollType::Wait { submission_index: submission, timeout: None };
        match self.device.poll(poll) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::device(format!("{}: {error}", self.report))),
        }
    }

    /// The first thing that went wrong, of all that was made and submitted.
    ///
    /// # Errors
    /// That.
    pub(crate) async fn verdicts(&self) -> Result<()> {
        let awaited = std::mem::take(&mut *self.awaited.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (what, verdict) in awaited {
            if let Some(error) = verdict.await {
                return Err(Error::device(format!("{what}: {error}")));
            }
        }
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(text) => Err(Error::device(format!("{}: {text}", self.report))),
            None => Ok(()),
        }
    }

    /// Waits and copies `count` elements from byte `offset` of a buffer that was made with `COPY_SRC`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn read<T: bytemuck::AnyBitPattern>(
        &self,
        buffer: &wgpu::Buffer,
        offset: u64,
        count: usize,
    ) -> Result<Vec<T>> {
        wait(self.read_async(buffer, offset, count))
    }

    /// The same where waiting is not allowed.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn read_async<T: bytemuck::AnyBitPattern>(
        &self,
        buffer: &wgpu::Buffer,
        offset: u64,
        count: usize,
    ) -> Result<Vec<T>> {
        let bytes = (count * size_of::<T>()) as u64;
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let staging = self.buffer("read-back", bytes, usage)?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        self.read_mapped(&staging, bytes, None).await
    }

    /// Maps a buffer made with `MAP_READ`, awaits the submission that wrote it, or for all, and copies its first
    /// `bytes` bytes.
    pub(crate) async fn read_mapped<T: bytemuck::AnyBitPattern>(
        &self,
        staging: &wgpu::Buffer,
        bytes: u64,
        submission: Option<wgpu::SubmissionIndex>,
    ) -> Result<Vec<T>> {
        let (teller, told) = answer();
        staging.map_async(wgpu::MapMode::Read, 0..bytes, move |result| teller.tell(result));
        self.poll(submission)?;
        let mapped = told.await;
        // What went wrong before says more than that nothing could be mapped.
        self.verdicts().await?;
        let view = (mapped?.map_err(|e| e.to_string()))
            .and_then(|()| staging.get_mapped_range(0..bytes).map_err(|e| e.to_string()))
            .map_err(|e| Error::device(format!("{}: read-back: {e}", self.report)))?;
        let data = view.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect();
        drop(view);
        staging.unmap();
        Ok(data)
    }
}
