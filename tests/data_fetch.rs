//! Downloads from a small server of the test's own.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Serves files by name with ranges; `cuts` says after how many bytes the next transfers are cut off.
struct Server {
    address: String,
    /// Name and first byte of every request.
    asked: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Server {
    fn start(files: Vec<(&'static str, Vec<u8>)>, cuts: Vec<usize>, ranges: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/files", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut cuts = cuts.into_iter();
            for stream in listener.incoming() {
                // A client that hangs up is part of the test.
                let _ = answer(stream.unwrap(), &files, &mut cuts, ranges, &log);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<(String, usize)> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    files: &[(&str, Vec<u8>)],
    cuts: &mut impl Iterator<Item = usize>,
    ranges: bool,
    log: &Mutex<Vec<(String, usize)>>,
) -> std::io::Result<()> {
    let (mut name, mut start) = (String::new(), 0);
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("get /files/") {
            name = rest.split(' ').next().unwrap().to_owned();
        } else if let Some(rest) = line.strip_prefix("range: bytes=") {
            start = rest.trim_end_matches('-').parse().unwrap();
        } else if line.is_empty() {
            break;
        }
    }
    log.lock().unwrap().push((name.clone(), start));
    let Some((_, bytes)) = files.iter().find(|(known, _)| *known == name) else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let all = bytes.len();
    if ranges && start >= all {
        let head = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n";
        return write!(stream, "{head}Content-Range: bytes */{all}\r\n\r\n");
    }
    let start = if ranges { start } else { 0 };
    let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", all - start)?;
    if start > 0 {
        write!(stream, "Content-Range: bytes {start}-{}/{all}\r\n", all - 1)?;
    }
    write!(stream, "\r\n")?;
    let end = cuts.next().map_or(all, |cut| (start + cut).min(all));
    stream.write_all(&bytes[start..end])
}

const NAMES: [&str; 2] = ["images_background.zip", "images_evaluation.zip"];

/// Archives of two characters each, in Omniglot's layout.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let archive = |first: usize| {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for i in 0..4 {
            let mut picture = Cursor::new(Vec::new());
            let gray = image::GrayImage::from_fn(30, 30, |x, y| image::Luma([(x * y * (i + 1)) as u8]));
            gray.write_to(&mut picture, image::ImageFormat::Png).unwrap();
            let name = format!("part/Greek/character{}/{i}.png", first + i as usize / 2);
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(&picture.into_inner()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    vec![(NAMES[0], archive(0)), (NAMES[1], archive(2))]
}

fn temp() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn fetch(dir: &Path, address: &str, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = Command::cargo_bin("fastweights").expect("the program is built");
    // Whatever proxy the machine has, it does not know this server.
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"] {
        command.env_remove(name);
    }
    command.env("FASTWEIGHTS_DATA", dir).args(["data", "fetch", "omniglot", "--from", address]);
    command.args(arguments).assert()
}

#[test]
fn a_transfer_that_is_cut_goes_on_where_it_stopped() {
    let files = files();
    let have = files[0].1[..70].to_vec();
    let server = Server::start(files, vec![100, 50], true);
    let dir = temp();
    fs::create_dir(dir.path().join("cache")).unwrap();
    // What an earlier call left.
    fs::write(dir.path().join("cache/images_background.zip.part"), have).unwrap();
    fetch(dir.path(), &server.address, &["--any-checksum"]).success().stdout(contains("8 images of 28 × 28"));
    let starts = server.asked().into_iter().filter(|(name, _)| name == NAMES[0]).map(|(_, start)| start);
    assert_eq!(starts.collect::<Vec<_>>(), [70, 170, 220]);
    let again = fetch(dir.path(), &server.address, &["--any-checksum"]).success();
    again.stdout(contains("there already"));
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn a_server_without_ranges_and_a_whole_partial_file_do_no_harm() {
    let files = files();
    let whole = files[0].1.clone();
    let server = Server::start(files.clone(), vec![90], false);
    let dir = temp();
    fetch(dir.path(), &server.address, &["--any-checksum"]).success();
    assert_eq!(fs::read(dir.path().join("cache").join(NAMES[0])).unwrap(), whole);
    let server = Server::start(files, vec![], true);
    fs::write(dir.path().join("cache/images_background.zip.part"), &whole).unwrap();
    fetch(dir.path(), &server.address, &["--any-checksum", "--force"]).success();
    assert_eq!(server.asked(), [(NAMES[0].to_owned(), whole.len()), (NAMES[1].to_owned(), 0)]);
}

#[test]
fn a_wrong_sum_is_refused_and_removed() {
    let server = Server::start(files(), vec![], true);
    let dir = temp();
    let run = fetch(dir.path(), &server.address, &[]).code(1);
    run.stderr(contains(NAMES[0]).and(contains("68d2efa1b9178cc56df9314c21c6e718")).and(contains("removed")));
    assert_eq!(fs::read_dir(dir.path().join("cache")).unwrap().count(), 0);
    assert!(!dir.path().join("omniglot.safetensors").exists());
}

#[test]
fn servers_that_fail_are_named() {
    let dir = temp();
    let server = Server::start(vec![], vec![], true);
    fetch(dir.path(), &server.address, &[]).code(1).stderr(contains(NAMES[0]).and(contains("404")));
    let server = Server::start(files(), vec![10; 9], true);
    let run = fetch(dir.path(), &server.address, &["--any-checksum"]).code(1);
    run.stderr(contains("cut off").and(contains("50 bytes are kept")).and(contains("same command")));
    // Nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fetch(dir.path(), &format!("http://{free}"), &[]).code(1).stderr(contains("cannot be reached"));
    fetch(dir.path(), "ftp://x", &[]).code(2).stderr(contains("--from"));
}
