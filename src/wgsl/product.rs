//! How products of matrices are cut into workgroups (`shaders/product.wgsl`, `shaders/product_tangent.wgsl`).

use super::declaration::Declaration;

/// Invocations of a workgroup, each with 4 × 4 elements of the product.
pub const WORKGROUP: u32 = 64;

/// Rows and columns of the product that one workgroup computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Rows.
    pub rows: u32,
    /// Columns; `rows · columns` is 16 · [`WORKGROUP`].
    pub columns: u32,
}

impl Cut {
    /// Every cut, the squarest first.
    pub const ALL: [Self; 5] =
        [Self::new(32, 32), Self::new(16, 64), Self::new(64, 16), Self::new(8, 128), Self::new(128, 8)];

    const fn new(rows: u32, columns: u32) -> Self {
        Self { rows, columns }
    }

    /// The cut that computes the fewest elements beyond the edges of `rows × columns`.
    #[must_use]
    pub fn of(rows: u32, columns: u32) -> Self {
        let mut best = Self::ALL[0];
        for cut in Self::ALL {
            if cut.workgroups(rows, columns) < best.workgroups(rows, columns) {
                best = cut;
            }
        }
        best
    }

    /// Workgroups that a product of `rows × columns` takes.
    #[must_use]
    pub fn workgroups(self, rows: u32, columns: u32) -> u32 {
        rows.div_ceil(self.rows) * columns.div_ceil(self.columns)
    }

    /// The overrides of a kernel: tiles as large as its defaults take, whatever their form.
    #[must_use]
    pub fn constants(self, kernel: &Declaration) -> Vec<(&'static str, f64)> {
        let default = |name| kernel.constants.iter().find(|(known, _)| *known == name).map_or(0.0, |c| c.1);
        // vec4 of a row or column of the tiles.
        let deep = default("LEFT_TILE") / default("ROWS");
        vec![
            ("ROWS", self.rows.into()),
            ("COLUMNS", self.columns.into()),
            ("LEFT_TILE", f64::from(self.rows) * deep),
            ("RIGHT_TILE", f64::from(self.columns) * deep),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cut_follows_the_shape() {
        for (rows, columns, cut) in [
            (5, 256, (8, 128)),
            (64, 785, (32, 32)),
            (40, 41, (16, 64)),
            (1, 1, (32, 32)),
            (256, 5, (128, 8)),
        ] {
            let chosen = Cut::of(rows, columns);
            assert_eq!((chosen.rows, chosen.columns), cut, "{rows} × {columns}");
            assert!(Cut::ALL.iter().all(|c| c.rows * c.columns == 16 * WORKGROUP));
        }
    }
}
