//! Downloads: resumed where they stopped, and trusted by their sums alone.

use super::set::hex;
use super::{Phase, Step, Watch};
use crate::error::{Error, Result};
use md5::{Digest as _, Md5};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Response, header};

/// A file to download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name below the address.
    pub name: &'static str,
    /// Its MD5 sum in hexadecimal, as published.
    pub md5: &'static str,
}

/// Where Omniglot's author publishes it.
pub const OMNIGLOT_ADDRESS: &str = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python";

/// Omniglot's two archives.
pub const OMNIGLOT_FILES: [RemoteFile; 2] = [
    RemoteFile { name: "images_background.zip", md5: "68d2efa1b9178cc56df9314c21c6e718" },
    RemoteFile { name: "images_evaluation.zip", md5: "6b91aef0f799c5bb55b94e3f2daec811" },
];

/// How often a transfer that was cut is taken up again.
const TRIES: usize = 5;
/// No file to be fetched is nearly as large; a server that never ends must not fill the disk.
const MOST_BYTES: u64 = 256 << 20;

/// Downloads `files` from below `address` into the directory `cache`, and returns where they are.
///
/// What is there with the right sum is not downloaded again. Unfinished files end in `.part`, and the next call goes on
/// with them. `any_sum` accepts other contents, for mirrors that packed the archives anew.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming the address if the server cannot be reached, refuses, or stops too often, or
/// if the sum is wrong, in which case what was received is removed; naming the file if it cannot be written.
pub fn fetch(
    address: &str,
    files: &[RemoteFile],
    any_sum: bool,
    cache: &Path,
    watch: Watch<'_>,
) -> Result<Vec<PathBuf>> {
    if !address.starts_with("http://") && !address.starts_with("https://") {
        return Err(Error::recipe(
            "--from",
            format!("`{address}` is no address: http://… or https://… is needed"),
        ));
    }
    std::fs::create_dir_all(cache).map_err(|e| Error::file_caused(cache, "cannot be made", e))?;
    let agent = Agent::new_with_config(
        Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            // A whole file may take long on a slow line, a single read may not.
            .timeout_per_read(Some(Duration::from_secs(60)))
            .build(),
    );
    let download = |file: &RemoteFile| {
        let url = format!("{}/{}", address.trim_end_matches('/'), file.name);
        let part = cache.join(format!("{}.part", file.name));
        Download { agent: &agent, url, part, watch }
            .to(&cache.join(file.name), (!any_sum).then_some(file.md5))
    };
    files.iter().map(download).collect()
}

/// One file on its way.
struct Download<'a> {
    agent: &'a Agent,
    url: String,
    part: PathBuf,
    watch: Watch<'a>,
}

/// How one transfer ended.
enum Ending {
    Whole,
    /// The connection broke; what came stays.
    Cut(String),
}

impl Download<'_> {
    fn to(&self, target: &Path, sum: Option<&str>) -> Result<PathBuf> {
        let whole = target.to_owned();
        if let Some(sum) = sum.filter(|_| target.is_file())
            && md5_of(target)? == sum
        {
            return Ok(whole);
        }
        let resumed = length(&self.part) > 0;
        self.receive()?;
        if let Some(sum) = sum {
            let mut found = md5_of(&self.part)?;
            if found != sum && resumed {
                // What was there may have been another file's beginning.
                remove(&self.part)?;
                self.receive()?;
                found = md5_of(&self.part)?;
            }
            if found != sum {
                remove(&self.part)?;
                let reason = format!(
                    "is not the published file: its MD5 sum is {found} instead of {sum}; what was received was \
                     removed (--from URL --any-checksum accepts other archives)"
                );
                return Err(Error::file(&self.url, reason));
            }
        }
        std::fs::rename(&self.part, target)
            .map_err(|e| Error::file_caused(target, "cannot be written", e))?;
        Ok(whole)
    }

    /// Fills the partial file, in several transfers if need be.
    fn receive(&self) -> Result<()> {
        let mut last = String::new();
        for _ in 0..TRIES {
            match self.transfer()? {
                Ending::Whole => return Ok(()),
                Ending::Cut(reason) => last = reason,
            }
        }
        let kept = length(&self.part);
        let reason = format!(
            "was cut off {TRIES} times ({last}); {kept} bytes are kept, and the same command goes on from there"
        );
        Err(Error::file(&self.url, reason))
    }

    fn transfer(&self) -> Result<Ending> {
        let have = length(&self.part);
        let mut request = self.agent.get(&self.url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = request.call().map_err(|e| {
            let reason = "cannot be reached; is there a network? (--from URL names another server, and \
                          `fastweights data import` takes files that are here)";
            Error::file_caused(&self.url, reason, e)
        })?;
        let range = text(&response, header::CONTENT_RANGE);
        let status = response.status();
        let start = match status.as_u16() {
            200 => 0,
            206 if range.starts_with(&format!("bytes {have}-")) => have,
            // All of it is here already.
            416 if range == format!("bytes */{have}") => return Ok(Ending::Whole),
            206 | 416 => {
                remove(&self.part)?;
                return Ok(Ending::Cut("the server has another file than the one begun".into()));
            }
            _ => return Err(Error::file(&self.url, format!("the server answers {status}"))),
        };
        let written = |e| Error::file_caused(&self.part, "cannot be written", e);
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(false).open(&self.part).map_err(written)?;
        file.set_len(start).map_err(written)?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(start)).map_err(written)?;
        let total = text(&response, header::CONTENT_LENGTH)
            .parse::<u64>()
            .ok()
            .map(|rest| start.saturating_add(rest));
        let mut body = response.into_body().into_with_config().limit(MOST_BYTES + 1).reader();
        let (mut done, mut buffer) = (start, vec![0; 1 << 16]);
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) => return Ok(Ending::Cut(e.to_string())),
            };
            file.write_all(&buffer[..count]).map_err(written)?;
            done += count as u64;
            if done > MOST_BYTES {
                drop(file);
                remove(&self.part)?;
                return Err(Error::file(
                    &self.url,
                    format!("is larger than {MOST_BYTES} bytes, the most that is read"),
                ));
            }
            (self.watch)(Step { phase: Phase::Download, done, total: total.unwrap_or(0) });
        }
        match total {
            Some(total) if done < total => Ok(Ending::Cut(format!("{done} of {total} bytes came"))),
            _ => file.sync_all().map(|()| Ending::Whole).map_err(written),
        }
    }
}

fn text<B>(response: &Response<B>, name: header::HeaderName) -> String {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file_caused(path, "cannot be removed", e))
        }
        _ => Ok(()),
    }
}

fn md5_of(path: &Path) -> Result<String> {
    let failed = |e| Error::file_caused(path, "cannot be read", e);
    let mut file = File::open(path).map_err(failed)?;
    let (mut sum, mut buffer) = (Md5::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(hex(&sum.finalize())),
            count => sum.update(&buffer[..count]),
        }
    }
}
