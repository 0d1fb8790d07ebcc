//! Parquet files, as other programs write them.

use super::*;
use ::parquet::basic::Compression;
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use std::sync::Arc;

const ROWS: i32 = 40;

/// Forty rows: whole numbers, fractions with gaps, words, truths, days, moments in nanoseconds, a list, and pandas's index.
fn written(compression: Compression) -> Vec<u8> {
    let schema = "message schema {
        required int32 count; optional double size; optional binary town (STRING); required boolean open;
        required int32 day (DATE); required int64 at (TIMESTAMP(NANOS,false)); repeated int32 many;
        required binary kind (STRING); required int64 __index_level_0__; }";
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = file.next_row_group().unwrap();
    let word = |text: &str| ByteArray::from(text);
    let all = 0..ROWS;
    let mut columns = 0;
    while let Some(mut column) = group.next_column().unwrap() {
        match columns {
            0 => column.typed::<Int32Type>().write_batch(&all.clone().collect::<Vec<_>>(), None, None),
            1 => {
                let values: Vec<_> = all.clone().skip(1).map(|i| f64::from(i % 2) + 0.25).collect();
                let levels: Vec<_> = all.clone().map(|i| i16::from(i > 0)).collect();
                column.typed::<DoubleType>().write_batch(&values, Some(&levels), None)
            }
            2 | 7 => {
                let words: Vec<_> = all.clone().map(|i| word(["rome", "oslo"][i as usize % 2])).collect();
                let levels = vec![1; ROWS as usize];
                let levels = (columns == 2).then_some(&levels[..]);
                column.typed::<ByteArrayType>().write_batch(&words, levels, None)
            }
            3 => {
                let values: Vec<_> = all.clone().map(|i| i % 3 == 0).collect();
                column.typed::<BoolType>().write_batch(&values, None, None)
            }
            4 => {
                let days: Vec<_> = all.clone().map(|i| 19_782 + i).collect();
                column.typed::<Int32Type>().write_batch(&days, None, None)
            }
            5 => {
                let moments: Vec<_> =
                    all.clone().map(|i| (19_782 * 86_400 + 3600 * i64::from(i)) * 1_000_000_000).collect();
                column.typed::<Int64Type>().write_batch(&moments, None, None)
            }
            6 => {
                let none = vec![0; ROWS as usize];
                column.typed::<Int32Type>().write_batch(&[], Some(&none), Some(&none))
            }
            _ => {
                let numbers: Vec<_> = all.clone().map(|i| 7 * i64::from(i) % 41).collect();
                column.typed::<Int64Type>().write_batch(&numbers, None, None)
            }
        }
        .unwrap();
        column.close().unwrap();
        columns += 1;
    }
    group.close().unwrap();
    file.into_inner().unwrap()
}

fn read(bytes: &[u8]) -> fastweights::Result<Sheet> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("rows.parquet");
    std::fs::write(&path, bytes).unwrap();
    Sheet::read(&path, &Dialect::default(), &[], None)
}

#[test]
fn every_column_of_single_values_is_read_however_it_is_packed() {
    let plain = read(&written(Compression::UNCOMPRESSED)).unwrap();
    assert_eq!(plain.columns, ["", "count", "size", "town", "open", "day", "at", "kind"]);
    let row = |row: usize| (0..plain.columns.len()).map(|c| plain.cell(row, c)).collect::<Vec<_>>();
    assert_eq!(row(0), ["0", "0", "", "rome", "true", "2024-02-29", "2024-02-29", "rome"]);
    assert_eq!(row(25), ["11", "25", "1.25", "oslo", "false", "2024-03-25", "2024-03-01 01:00:00", "oslo"]);
    assert_eq!((plain.len(), plain.line(0)), (ROWS as usize, 2));
    assert!(
        plain.value(0, 2).is_none() && plain.notes.iter().any(|note| note.contains("`many`")),
        "{:?}",
        plain.notes
    );
    for packed in [
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
    ] {
        let again = read(&written(packed)).unwrap();
        let cells = |sheet: &Sheet| {
            (0..8 * ROWS as usize).map(|at| sheet.cell(at / 8, at % 8).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(cells(&again), cells(&plain), "{packed:?}");
    }
}

#[test]
fn a_model_is_trained_on_a_parquet_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("rows.parquet");
    std::fs::write(&path, written(Compression::SNAPPY)).unwrap();
    let recipe = recipe("table", &path, &["task.missing=median", "task.epochs=1"]).unwrap();
    let table = recipe.table().unwrap();
    assert_eq!(table.columns.classes(), ["oslo", "rome"]);
    let names: Vec<_> = table.columns.features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(names, ["count", "size", "town", "open"]);
}

#[test]
fn a_damaged_parquet_file_is_an_error() {
    let whole = written(Compression::SNAPPY);
    for cut in [4, 8, whole.len() / 2, whole.len() - 1] {
        let error = read(&whole[..cut]).unwrap_err().to_string();
        assert!(error.contains("Parquet"), "{error}");
    }
    // A flipped byte is an error or another value, never the end of the program.
    for at in (4..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let _ = read(&bytes);
    }
    let columns = "message schema { repeated int32 many; }";
    let schema = Arc::new(parse_message_type(columns).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int32Type>().write_batch(&[1, 2], Some(&[1, 1]), Some(&[0, 1])).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let error = read(&file.into_inner().unwrap()).unwrap_err().to_string();
    assert!(error.contains("without a column of single values"), "{error}");
}
