//! NumPy's file of one array: the format's versions 1 to 3 (numpy.lib.format), as far as sets of pictures need it.

/// What the elements of an array are, all little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole numbers without a sign, or truth values, of so many bytes.
    Unsigned(usize),
    /// Whole numbers of so many bytes.
    Signed(usize),
    /// Numbers of 4 or 8 bytes.
    Float(usize),
    /// Text of so many characters of four bytes, filled up with zeros.
    Text(usize),
    /// Text of so many bytes, filled up with zeros.
    Bytes(usize),
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Self::Unsigned(n) | Self::Signed(n) | Self::Float(n) | Self::Bytes(n) => n,
            Self::Text(n) => 4 * n,
        }
    }
}

/// An array with its bytes as they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Array {
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

impl Array {
    /// Reads the contents of a file.
    ///
    /// # Errors
    /// What is wrong with it, to follow its name.
    pub(super) fn parse(mut file: Vec<u8>) -> Result<Self, String> {
        let cut = || "is a damaged NumPy array: it was cut".to_owned();
        if !file.starts_with(b"\x93NUMPY") {
            return Err("is no NumPy array".into());
        }
        let version = *file.get(6).ok_or_else(cut)?;
        let (start, len) = match version {
            1 => (10, file.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])))),
            2 | 3 => (12, file.get(8..12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)),
            _ => return Err(format!("is a NumPy array of version {version}, which is not known")),
        };
        let end = start + len.ok_or_else(cut)?;
        let header = file.get(start..end).ok_or_else(cut)?;
        let header = std::str::from_utf8(header).map_err(|_| "is a damaged NumPy array".to_owned())?;
        let (kind, shape) = described(header)?;
        let count = shape.iter().try_fold(kind.size(), |all, &n| all.checked_mul(n));
        match count {
            Some(count) if count == file.len() - end => {}
            Some(count) if count > file.len() - end => return Err(cut()),
            _ => return Err("is a damaged NumPy array: its shape does not give its size".into()),
        }
        file.drain(..end);
        Ok(Self { kind, shape, bytes: file })
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The elements as whole numbers; nothing if they are none.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        let of = |bytes: &[u8]| {
            let negative =
                matches!(self.kind, Kind::Signed(_)) && bytes.last().is_some_and(|b| b & 0x80 != 0);
            let mut wide = [if negative { 0xff } else { 0 }; 8];
            wide[..bytes.len()].copy_from_slice(bytes);
            i64::from_le_bytes(wide)
        };
        match self.kind {
            Kind::Unsigned(n) | Kind::Signed(n) => Some(self.bytes.chunks_exact(n).map(of).collect()),
            Kind::Float(_) => {
                let floats = self.floats()?;
                floats
                    .iter()
                    .all(|v| v.fract() == 0.0 && v.abs() < 1e15)
                    .then(|| floats.iter().map(|&v| v as i64).collect())
            }
            Kind::Text(_) | Kind::Bytes(_) => None,
        }
    }

    /// The elements as numbers with a fraction; nothing if they are none.
    pub(super) fn floats(&self) -> Option<Vec<f64>> {
        match self.kind {
            Kind::Float(4) => Some(
                self.bytes
                    .chunks_exact(4)
                    .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
                    .collect(),
            ),
            Kind::Float(_) => {
                let of = |b: &[u8]| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
                Some(self.bytes.chunks_exact(8).map(of).collect())
            }
            Kind::Unsigned(_) | Kind::Signed(_) | Kind::Text(_) | Kind::Bytes(_) => None,
        }
    }

    /// The elements as text: of words as they are, of whole numbers as they are written; nothing if they are neither.
    pub(super) fn words(&self) -> Option<Vec<String>> {
        let of = |bytes: &[u8]| {
            let chars = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            chars
                .take_while(|&c| c != 0)
                .map(|c| char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        };
        match self.kind {
            Kind::Text(0) | Kind::Bytes(0) => Some(vec![String::new(); self.len()]),
            Kind::Text(n) => Some(self.bytes.chunks_exact(4 * n).map(of).collect()),
            Kind::Bytes(n) => {
                let of = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
                Some(self.bytes.chunks_exact(n).map(of).collect())
            }
            Kind::Unsigned(_) | Kind::Signed(_) | Kind::Float(_) => {
                self.integers().map(|numbers| numbers.iter().map(i64::to_string).collect())
            }
        }
    }
}

/// Element and shape out of the header, a dictionary of Python with three known keys.
fn described(header: &str) -> Result<(Kind, Vec<usize>), String> {
    let damaged = || "is a damaged NumPy array: its header cannot be read".to_owned();
    let after = |key: &str| {
        let at = header.find(&format!("'{key}'")).ok_or_else(damaged)?;
        let rest = header[at + key.len() + 2..].trim_start();
        rest.strip_prefix(':').map(str::trim_start).ok_or_else(damaged)
    };
    let descr = after("descr")?;
    let Some(descr) = descr.strip_prefix('\'').and_then(|rest| rest.split('\'').next()) else {
        return Err("is an array of records; save its fields as arrays of their own".into());
    };
    let shape =
        after("shape")?.strip_prefix('(').and_then(|rest| rest.split(')').next()).ok_or_else(damaged)?;
    let shape: Result<Vec<usize>, _> =
        shape.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::parse).collect();
    let shape = shape.map_err(|_| damaged())?;
    if after("fortran_order")?.starts_with("True") && shape.len() > 1 {
        return Err("is an array in Fortran's order; save numpy.ascontiguousarray of it".into());
    }
    let (order, letter, size) =
        (descr.get(..1), descr.get(1..2), descr.get(2..).and_then(|n| n.parse().ok()));
    let (Some(order), Some(letter), size) = (order, letter, size) else { return Err(damaged()) };
    if order == ">" {
        return Err(
            "is an array of big-endian numbers; save array.astype(array.dtype.newbyteorder(\"<\"))".into()
        );
    }
    let kind = match (letter, size) {
        ("u" | "b", Some(n @ (1 | 2 | 4 | 8))) => Kind::Unsigned(n),
        ("i", Some(n @ (1 | 2 | 4 | 8))) => Kind::Signed(n),
        ("f", Some(n @ (4 | 8))) => Kind::Float(n),
        ("U", Some(n)) if n < 1 << 16 => Kind::Text(n),
        ("S", Some(n)) if n < 1 << 16 => Kind::Bytes(n),
        ("O", _) => {
            let reason = "is an array of Python objects, which are not read, as they may run any program; save numbers, texts or \
                          pictures, e.g. numpy.savez(\"train.npz\", images=images, labels=labels)";
            return Err(reason.into());
        }
        _ => {
            return Err(format!(
                "is an array of `{descr}`; whole numbers, float32, float64 or text are read"
            ));
        }
    };
    Ok((kind, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, bytes: &[u8]) -> Vec<u8> {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        [&file[..], header.as_bytes(), bytes].concat()
    }

    #[test]
    fn arrays_are_read_as_numpy_writes_them() {
        // numpy.save of numpy.array([[1, -2, 3]], dtype="int16").
        let header = "{'descr': '<i2', 'fortran_order': False, 'shape': (1, 3), }          \n";
        let array = Array::parse(file(header, &[1, 0, 0xfe, 0xff, 3, 0])).unwrap();
        assert_eq!((&array.shape[..], array.integers().unwrap()), (&[1, 3][..], vec![1, -2, 3]));
        let words = "{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }\n";
        let text: Vec<u8> = "cat\0\0\0"
            .chars()
            .chain("\u{e9}".chars())
            .take(6)
            .flat_map(|c| (c as u32).to_le_bytes())
            .collect();
        assert_eq!(Array::parse(file(words, &text)).unwrap().words().unwrap(), ["cat", ""]);
        let floats = "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n";
        assert_eq!(Array::parse(file(floats, &2.5_f32.to_le_bytes())).unwrap().floats().unwrap(), [2.5]);
    }

    #[test]
    fn what_is_no_array_is_refused_in_words() {
        let header = |descr: &str, order: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n")
        };
        for (descr, order, shape, bytes, words) in [
            ("'|u1'", "False", "(4,)", 3, "was cut"),
            ("'|u1'", "False", "(4,)", 5, "does not give its size"),
            ("'|u1'", "False", "(99999999999999, 99999999999999)", 5, "does not give its size"),
            ("'|O'", "False", "()", 5, "Python objects"),
            ("'>i4'", "False", "(1,)", 4, "big-endian"),
            ("'<c8'", "False", "(1,)", 8, "`<c8`"),
            ("[('a', '<i4')]", "False", "(1,)", 4, "records"),
            ("'|u1'", "True", "(2, 2)", 4, "Fortran"),
            ("'|u1'", "False", "(-2,)", 4, "header"),
        ] {
            let error = Array::parse(file(&header(descr, order, shape), &vec![0; bytes])).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let whole = file(&header("'|u1'", "False", "(4,)"), &[0; 4]);
        for end in 0..whole.len() {
            assert!(Array::parse(whole[..end].to_vec()).is_err(), "{end}");
        }
    }
}
