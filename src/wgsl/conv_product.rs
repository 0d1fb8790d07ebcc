//! How products with gathered images are cut into workgroups (`shaders/conv_product.wgsl`,
//! `shaders/conv_product_tangent.wgsl`).

/// The part of a product that one workgroup computes, and how many shares it makes of the sum's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvCut {
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub columns: u32,
    /// Shares of the terms, summed at the end.
    pub split: u32,
    /// Terms in workgroup memory at a time; where tangents lie beside the values, half as many or fewer.
    depths: [u32; 2],
}

/// Workgroups, of all tasks, from which on a GPU is taken to be busy: about one for each multiprocessor of a large one.
const BUSY: u32 = 128;
/// Most that are wanted of one task.
const BUSY_TASK: u32 = 32;

impl ConvCut {
    /// Cuts of products of many rows. All fit the 16 KiB of workgroup memory that any adapter has, and no invocation loads
    /// more than one entry of a tile a slice, which it keeps in registers while the slice before is multiplied.
    pub const ALL: [Self; 7] = [
        Self::new(64, 64, 1, [16, 8]),
        Self::new(32, 64, 2, [16, 8]),
        Self::new(64, 32, 2, [16, 8]),
        Self::new(32, 32, 4, [32, 16]),
        Self::new(16, 64, 4, [16, 8]),
        Self::new(64, 16, 4, [16, 8]),
        Self::new(16, 16, 8, [32, 32]),
    ];

    /// Cuts of products of few rows, those of groups of few channels (`shaders/conv2d/conv_narrow.wgsl`): of many columns
    /// and short sums.
    pub const NARROW: [Self; 3] =
        [Self::new(1, 64, 1, [64, 64]), Self::new(2, 64, 1, [64, 64]), Self::new(4, 64, 1, [64, 64])];

    /// The same of few columns and long sums.
    pub const NARROW_SUMS: [Self; 6] = [
        Self::new(1, 16, 8, [128, 128]),
        Self::new(2, 16, 8, [128, 128]),
        Self::new(4, 16, 8, [128, 128]),
        Self::new(1, 4, 32, [128, 128]),
        Self::new(2, 4, 32, [128, 128]),
        Self::new(4, 4, 32, [128, 128]),
    ];

    /// What kernels declare.
    pub const DEFAULT: Self = Self::ALL[3];

    const fn new(rows: u32, columns: u32, split: u32, depths: [u32; 2]) -> Self {
        Self { rows, columns, split, depths }
    }

    /// The cut for products of `rows × columns`, one for each of `groups` of each of `tasks`: few elements beyond its edges,
    /// tiles as large as leave enough workgroups, since an element of a large tile needs fewer loads. It depends on the
    /// shape and on the meta-batch alone, and so does the order of sums: not on the device, nor on how tasks are cut into
    /// tiles.
    #[must_use]
    pub fn of(rows: u32, columns: u32, groups: u32, tasks: u32) -> Self {
        Self::shared([rows, columns, groups], &Self::NARROW, tasks, |_| 1)
    }

    /// The same with cuts of few rows for groups, where with each cut so many workgroups share an element's sum.
    pub(crate) fn shared(
        [rows, columns, groups]: [u32; 3],
        narrow: &[Self],
        tasks: u32,
        sharing: impl Fn(Self) -> u32,
    ) -> Self {
        let busy = BUSY.div_ceil(tasks.max(1)).min(BUSY_TASK);
        let cost = |cut: Self| {
            let tiles = cut.workgroups(rows, columns);
            let elements = u64::from(tiles) * u64::from(cut.rows * cut.columns);
            // 16 multiply-adds take 16 / rows + 16 / columns loads from the images; in 1/64.
            let loads = u64::from(64 + 1024 / cut.rows + 1024 / cut.columns);
            elements * loads * u64::from(busy.div_ceil((tiles * groups * sharing(cut)).min(busy)))
        };
        let narrow = if groups > 1 { narrow } else { &[] };
        let mut best = Self::ALL[0];
        for &cut in Self::ALL.iter().chain(narrow) {
            if cost(cut) < cost(best) {
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

    /// Terms in workgroup memory at a time.
    pub(crate) const fn depth(self, tangents: bool) -> u32 {
        self.depths[tangents as usize]
    }

    /// Whether an invocation takes whole columns, of few rows.
    const fn is_narrow(self) -> bool {
        self.rows < 16
    }

    const fn workgroup(self) -> u32 {
        self.split * if self.is_narrow() { self.columns } else { self.rows * self.columns / 16 }
    }

    /// Overrides of a kernel of values, or of values and tangents.
    #[must_use]
    pub const fn constants(self, tangents: bool) -> [(&'static str, f64); 8] {
        let (depth, tiles) = (self.depth(tangents), if tangents { 2 } else { 1 });
        let (left, right, parts) = match self.is_narrow() {
            true => (1, 0, tiles),
            false => (self.rows / 4 + 1, self.columns / 4 + 1, 1),
        };
        let right = if right == 0 { 1 } else { tiles * depth * right };
        [
            ("WORKGROUP", self.workgroup() as f64),
            ("ROWS", self.rows as f64),
            ("COLUMNS", self.columns as f64),
            ("SPLIT", self.split as f64),
            ("DEPTH", depth as f64),
            ("LEFT_TILE", (tiles * depth * left) as f64),
            ("RIGHT_TILE", right as f64),
            ("PARTS", (parts * self.workgroup()) as f64),
        ]
    }

    /// Bytes of workgroup memory.
    #[must_use]
    pub const fn workgroup_bytes(self, tangents: bool) -> u32 {
        let all = self.constants(tangents);
        (16.0 * (all[2].1 + all[4].1 + all[5].1 + all[6].1 + all[7].1)) as u32
    }
}

/// The declared overrides of a kernel that has `more` of its own.
pub(crate) const fn declared<const N: usize>(
    tangents: bool,
    more: &[(&'static str, f64)],
) -> [(&'static str, f64); N] {
    let common = ConvCut::DEFAULT.constants(tangents);
    let mut all = [("", 0.0); N];
    let mut at = 0;
    while at < N {
        all[at] = if at < common.len() { common[at] } else { more[at - common.len()] };
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_follow_the_shape_and_the_meta_batch() {
        // 64 filters on 28 × 28 images, stride 2, five points: forward of the four layers, updates of the first two.
        for (rows, columns, cuts) in [
            (64, 980, [(32, 64), (64, 64), (64, 64)]),
            (64, 245, [(16, 16), (64, 64), (64, 64)]),
            (64, 80, [(16, 16), (64, 16), (64, 32)]),
            (64, 20, [(16, 16), (16, 16), (64, 32)]),
            (64, 10, [(16, 16), (16, 16), (64, 16)]),
            (64, 577, [(32, 32), (64, 64), (64, 64)]),
        ] {
            for (tasks, cut) in [1, 32, 512].into_iter().zip(cuts) {
                let chosen = ConvCut::of(rows, columns, 1, tasks);
                assert_eq!((chosen.rows, chosen.columns), cut, "{rows} × {columns} of {tasks}");
            }
        }
    }

    #[test]
    fn groups_of_few_channels_do_not_fill_tiles_with_nothing() {
        // Rows, columns, groups of a product, and the rows and columns of its cut.
        for (shape, cut) in [
            ([1, 980, 64], (1, 64)),
            ([2, 980, 32], (2, 64)),
            ([3, 980, 32], (4, 64)),
            ([8, 980, 8], (16, 64)),
            ([32, 980, 2], (32, 64)),
            ([1, 980, 1], (16, 64)),
        ] {
            let chosen = ConvCut::of(shape[0], shape[1], shape[2], 32);
            assert_eq!((chosen.rows, chosen.columns), cut, "{shape:?}");
        }
    }

    #[test]
    fn every_cut_fits_every_adapter() {
        let narrow = ConvCut::NARROW.into_iter().chain(ConvCut::NARROW_SUMS);
        for cut in ConvCut::ALL.into_iter().chain(narrow) {
            // One float an invocation more where rates are summed.
            let bytes = cut.workgroup_bytes(false).max(cut.workgroup_bytes(true) + 4 * cut.workgroup());
            assert!(bytes <= 16 * 1024, "{cut:?}: {bytes}");
            let entries = cut.depths.map(|depth| depth * cut.rows.max(cut.columns) / 4);
            assert!(cut.is_narrow() || entries.iter().all(|&entries| entries <= cut.workgroup()), "{cut:?}");
            assert!(cut.workgroup() <= 256 && cut.depths.iter().all(|depth| depth % cut.split == 0));
        }
    }
}
