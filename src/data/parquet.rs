//! Parquet files as rows of text.

use super::dates::day_text;
use super::sheet_rows::Rows;
use crate::error::{Error, Result};
use bytes::Bytes;
use parquet::basic::{LogicalType, TimeUnit};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::{Type, TypePtr};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::{Arc, Once};

/// Most bytes of the rows' text, and of a file's parts unpacked.
const MOST: u64 = 4 << 30;

/// What a file holds.
pub(super) struct Found {
    pub(super) rows: Rows,
    pub(super) names: Vec<String>,
    /// Whether a column holds numbers.
    pub(super) numeric: Vec<bool>,
    pub(super) notes: Vec<String>,
}

/// Whether bytes are such a file's.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PAR1")
}

/// Reads all columns of single values; those of lists and groups are left out and named.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming the file if it is damaged, too large, or packed in a way that is not known.
pub(super) fn read(path: &Path, bytes: Vec<u8>) -> Result<Found> {
    // The reader trusts a file's own counts; one that lies must be an error like any other, told as they are.
    READERS.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !READS.get() {
                before(panic)
            }
        }));
    });
    READS.set(true);
    let found = catch_unwind(AssertUnwindSafe(|| rows(path, bytes)));
    READS.set(false);
    found.unwrap_or_else(|_| Err(Error::file(path, "is a damaged Parquet file")))
}

/// The first reader has what panics of the readers say dropped; other panics say what they said before.
static READERS: Once = Once::new();

thread_local! {
    /// Whether this thread reads such a file.
    static READS: Cell<bool> = const { Cell::new(false) };
}

fn rows(path: &Path, bytes: Vec<u8>) -> Result<Found> {
    let damaged = |e| {
        Error::file_caused(
            path,
            "is a Parquet file that cannot be read; save it as CSV, or packed by Snappy or zstd",
            e,
        )
    };
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(damaged)?;
    let metadata = reader.metadata();
    let unpacked: i128 = metadata.row_groups().iter().map(|group| i128::from(group.total_byte_size())).sum();
    if unpacked > i128::from(MOST) {
        return Err(Error::file(
            path,
            format!("is larger than {MOST} bytes unpacked, the most that is read"),
        ));
    }
    let schema = metadata.file_metadata().schema();
    let (mut kept, nested): (Vec<TypePtr>, Vec<TypePtr>) =
        schema.get_fields().iter().cloned().partition(is_plain);
    if kept.is_empty() {
        return Err(Error::file(path, "is a Parquet file without a column of single values"));
    }
    let wanted =
        Type::group_type_builder(schema.name()).with_fields(kept.clone()).build().map_err(damaged)?;
    let mut found = Found {
        rows: Rows::default(),
        names: Vec::new(),
        numeric: Vec::new(),
        notes: vec!["is a Parquet file; its first row is called line 2, as in a CSV file".to_owned()],
    };
    if !nested.is_empty() {
        let names: Vec<_> = nested.iter().map(|field| field.name().to_owned()).collect();
        found.notes.push(format!("left out, since they hold lists: {}", super::sheet::listed(&names)));
    }
    // An index without a name, which pandas keeps as a last column, stands first, as it does in CSV.
    let index = kept.iter().position(|field| field.name() == "__index_level_0__").unwrap_or(0);
    kept[..=index].rotate_right(1);
    for row in reader.get_row_iter(Some(wanted)).map_err(damaged)? {
        let mut row: Vec<Field> =
            row.map_err(damaged)?.into_columns().into_iter().map(|(_, cell)| cell).collect();
        if row.len() != kept.len() {
            return Err(Error::file(path, "is a damaged Parquet file"));
        }
        row[..=index].rotate_right(1);
        let cells = row.iter().zip(&kept).map(|(cell, field)| text(cell, field));
        found.rows.push(found.rows.len() as u64 + 2, cells);
        if found.rows.text.len() as u64 > MOST {
            return Err(Error::file(
                path,
                format!("holds more than {MOST} bytes of text, the most that is read"),
            ));
        }
    }
    found.names = kept.iter().map(name).collect();
    found.numeric = kept.iter().map(is_numeric).collect();
    Ok(found)
}

fn name(field: &TypePtr) -> String {
    if field.name() == "__index_level_0__" { String::new() } else { field.name().to_owned() }
}

fn is_plain(field: &TypePtr) -> bool {
    field.is_primitive()
        && (!field.get_basic_info().has_repetition()
            || field.get_basic_info().repetition() != parquet::basic::Repetition::REPEATED)
}

fn is_numeric(field: &TypePtr) -> bool {
    use parquet::basic::Type::{BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY};
    let decimal = matches!(field.get_basic_info().logical_type_ref(), Some(LogicalType::Decimal(_)));
    decimal || ![BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY].contains(&field.get_physical_type())
}

/// A cell as a CSV file would have it.
fn text(cell: &Field, field: &Arc<Type>) -> String {
    match cell {
        Field::Null => String::new(),
        Field::Str(text) => text.trim().to_owned(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).trim().to_owned(),
        Field::Date(days) => day_text(i64::from(*days)).unwrap_or_default(),
        Field::TimestampMillis(millis) => moment(*millis, 1000),
        Field::TimestampMicros(micros) => moment(*micros, 1_000_000),
        Field::Long(nanos) if in_nanos(field) => moment(*nanos, 1_000_000_000),
        Field::Float(value) => value.to_string(),
        Field::Double(value) => value.to_string(),
        Field::Bool(value) => value.to_string(),
        other => {
            let text = other.to_string();
            text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text).to_owned()
        }
    }
}

fn in_nanos(field: &Type) -> bool {
    matches!(
        field.get_basic_info().logical_type_ref(),
        Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS
    )
}

/// A moment since 1970, so many parts a second.
fn moment(count: i64, parts: i64) -> String {
    let (seconds, rest) = (count.div_euclid(parts), count.rem_euclid(parts));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let day = day_text(days).unwrap_or_default();
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    match (hour, minute, second, rest) {
        (0, 0, 0, 0) => day,
        (.., 0) => format!("{day} {hour:02}:{minute:02}:{second:02}"),
        _ => format!("{day} {hour:02}:{minute:02}:{second:02}.{:09}", rest * (1_000_000_000 / parts)),
    }
}
