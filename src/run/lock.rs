//! One process at a time writes into a run's directory.

use super::dir::RunDir;
use crate::error::{Error, Result};
use crate::file::sweep;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};

/// The right to write into a run's directory. The system gives it back when the process ends, however that happens.
#[derive(Debug)]
pub struct RunLock(File);

impl RunDir {
    /// Takes the right to write, and removes the half files that a process which died has left.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if another process has it, with the number of that process.
    pub fn lock(&self) -> Result<RunLock> {
        let path = self.lock_file();
        let failed = |e| Error::file_caused(&path, "cannot be opened for writing", e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Some systems lock the text as well.
                let _ = file.read_to_string(&mut holder);
                let holder =
                    if holder.is_empty() { "another process".into() } else { format!("process {holder}") };
                let reason = format!("is being trained by {holder}; wait for its end, or end it first");
                return Err(Error::file(self.path(), reason));
            }
            // A file system without locks: as good as it gets.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(e)) => return Err(Error::file_caused(&path, "cannot be locked", e)),
        }
        // The number is for people; the lock itself is the system's.
        file.set_len(0)
            .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()))
            .map_err(failed)?;
        sweep(self.path())?;
        Ok(RunLock(file))
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        let _ = self.0.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        let left = run.path().join("0.safetensors.123.partial");
        std::fs::write(&left, "half").unwrap();
        let first = run.lock().unwrap();
        assert!(!left.exists());
        let error = run.lock().unwrap_err().to_string();
        let own = format!("is being trained by process {}", std::process::id());
        assert!(error.contains(&own) && error.contains("end it first"), "{error}");
        drop(first);
        assert_eq!(std::fs::metadata(run.lock_file()).unwrap().len(), 0);
        run.lock().unwrap();
    }
}
