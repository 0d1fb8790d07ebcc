//! One buffer cut into slices.
//!
//! A [`Layout`] is pure arithmetic and can be made, and refused, before a device exists. The [`Arena`]
//! is the one buffer behind it. Buffers are tracked whole: kernels that read one slice and write another in the
//! same dispatch need the slices in two arenas.

use super::adapter::Capacity;
use super::handle::Device;
use crate::error::{Error, Result};
pub use crate::wgsl::lower::Slice;

/// Slices laid one after the other.
#[derive(Clone, Debug)]
pub struct Layout {
    label: &'static str,
    capacity: Capacity,
    bytes: u64,
}

impl Layout {
    /// An empty layout for an adapter of this capacity.
    #[must_use]
    pub fn new(label: &'static str, capacity: &Capacity) -> Self {
        Self { label, capacity: *capacity, bytes: 0 }
    }

    /// Appends a slice for `count` elements of four bytes.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) if one binding cannot hold it.
    pub fn words(&mut self, what: &str, count: u64) -> Result<Slice> {
        let bytes = (count.max(1) * 4).next_multiple_of(16);
        if bytes > self.capacity.storage_binding_bytes {
            return Err(Error::limit(
                format!("bytes of a storage binding ({}: {what})", self.label),
                bytes,
                self.capacity.storage_binding_bytes,
                "use a smaller meta-batch or --device cpu",
            ));
        }
        let offset = self.bytes.next_multiple_of(self.capacity.alignment);
        self.bytes = offset + bytes;
        Ok(Slice { offset, bytes })
    }

    /// Makes room for slices that were placed elsewhere, the longest of `longest` bytes.
    ///
    /// # Errors
    /// As [`Layout::words`].
    pub fn room(&mut self, what: &str, bytes: u64, longest: u64) -> Result<()> {
        let here = self.bytes;
        self.words(what, longest / 4)?;
        self.bytes = here.max(bytes);
        Ok(())
    }

    /// Bytes of all slices.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the buffer, zeroed, usable as storage and uniform, and copyable both ways.
    ///
    /// # Errors
    /// As [`Device::buffer`].
    pub fn build(&self, device: &Device) -> Result<Arena> {
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::UNIFORM
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        Ok(Arena { buffer: device.buffer(self.label, self.bytes, usage)? })
    }
}

/// The buffer behind a layout; clones share it.
#[derive(Clone, Debug)]
pub struct Arena {
    buffer: wgpu::Buffer,
}

impl Arena {
    /// One slice as a binding.
    #[must_use]
    pub fn bind(&self, slice: Slice) -> wgpu::BufferBinding<'_> {
        wgpu::BufferBinding {
            buffer: &self.buffer,
            offset: slice.offset,
            size: Some(wgpu::BufferSize::new(slice.bytes).unwrap_or(wgpu::BufferSize::MIN)),
        }
    }

    /// The buffer.
    #[must_use]
    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    /// Writes the beginning of a slice, ahead of what is submitted next.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if the data is longer than the slice.
    pub fn write<T: bytemuck::NoUninit>(&self, device: &Device, slice: Slice, data: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        if bytes.len() as u64 > slice.bytes {
            return Err(Error::shape("upload, bytes", &[slice.bytes as usize], &[bytes.len()]));
        }
        if !bytes.is_empty() {
            device.queue().write_buffer(&self.buffer, slice.offset, bytes);
        }
        Ok(())
    }

    /// Reads `count` elements from element `skip` of a slice.
    ///
    /// # Errors
    /// As [`Device::read`].
    pub async fn read<T: bytemuck::AnyBitPattern>(
        &self,
        device: &Device,
        slice: Slice,
        skip: usize,
        count: usize,
    ) -> Result<Vec<T>> {
        device.read_async(&self.buffer, slice.offset + (skip * size_of::<T>()) as u64, count).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_aligned_apart_and_bounded() {
        let capacity = Capacity { storage_binding_bytes: 4096, ..Capacity::portable() };
        let mut layout = Layout::new("test", &capacity);
        let (a, b) = (layout.words("a", 3).unwrap(), layout.words("b", 100).unwrap());
        assert_eq!((a, b), (Slice { offset: 0, bytes: 16 }, Slice { offset: 256, bytes: 400 }));
        let error = layout.words("c", 1025).unwrap_err().to_string();
        assert!(error.contains("(test: c): 4112 needed, 4096 available"), "{error}");
    }
}
