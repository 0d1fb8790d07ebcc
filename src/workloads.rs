//! The trainings that speed is measured on, by name: the same for `bench` and `cargo bench`.

use crate::error::Result;
use crate::recipe::{Recipe, parse_setting};

/// A training to measure, without its control.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Name on the command line.
    pub name: &'static str,
    /// The recipe it is.
    recipe: &'static str,
    /// Settings on top of it.
    settings: &'static [&'static str],
    /// Tasks a meta-iteration that are measured if nothing else is asked for.
    pub meta_batches: &'static [u32],
}

/// Conv4 with max-pooling in place of strides.
const POOLED: [&str; 2] = ["task.data=glyphs", "model.downsample=pool"];

/// A stem, then a depthwise and a 1 × 1 convolution three times.
const DEPTHWISE: &str = r#"model.layers=[
    { type = "conv2d", outputs = 64, kernel = 3, stride = 2, padding = 1 }, { type = "batch_norm" }, { type = "relu" },
    { type = "conv2d", outputs = 64, kernel = 3, padding = 1, groups = 64 }, { type = "batch_norm" }, { type = "relu" },
    { type = "conv2d", outputs = 64, kernel = 1 }, { type = "batch_norm" }, { type = "relu" },
    { type = "conv2d", outputs = 64, kernel = 3, stride = 2, padding = 1, groups = 64 }, { type = "batch_norm" }, { type = "relu" },
    { type = "conv2d", outputs = 64, kernel = 1 }, { type = "batch_norm" }, { type = "relu" },
    { type = "conv2d", outputs = 64, kernel = 3, padding = 1, groups = 64 }, { type = "batch_norm" }, { type = "relu" },
    { type = "conv2d", outputs = 64, kernel = 1 }, { type = "batch_norm" }, { type = "relu" },
    { type = "global_avg_pool2d" },
]"#;

/// Conv4 by strides, its later convolutions in eight groups.
const GROUPED: &str = r#"model.layers=[
    { type = "conv2d", outputs = 64, kernel = 3, stride = 2, padding = 1 }, { type = "batch_norm" }, { type = "relu" },
    { type = "conv2d", outputs = 64, kernel = 3, stride = 2, padding = 1, groups = 8 }, { type = "batch_norm" }, { type = "relu" },
    { type = "conv2d", outputs = 64, kernel = 3, stride = 2, padding = 1, groups = 8 }, { type = "batch_norm" }, { type = "relu" },
    { type = "conv2d", outputs = 64, kernel = 3, stride = 2, padding = 1, groups = 8 }, { type = "batch_norm" }, { type = "relu" },
    { type = "global_avg_pool2d" },
]"#;

/// Along a series.
const SERIES: &str = r#"model.layers=[
    { type = "conv1d", outputs = 32, kernel = 5, padding = 2 }, { type = "relu" },
    { type = "conv1d", outputs = 32, kernel = 5, padding = 2, stride = 2 }, { type = "relu" },
    { type = "conv1d", outputs = 32, kernel = 5, padding = 2, stride = 2 }, { type = "relu" },
    { type = "flatten" },
]"#;

/// All of them.
pub const WORKLOADS: &[Workload] = &[
    Workload { name: "sine", recipe: "sinusoid", settings: &[], meta_batches: &[10, 25, 256, 2048, 16384] },
    Workload { name: "sine-paper", recipe: "sinusoid-paper", settings: &[], meta_batches: &[25] },
    Workload {
        name: "sine-paper-5steps",
        recipe: "sinusoid-paper-5steps",
        settings: &[],
        meta_batches: &[25],
    },
    Workload {
        name: "sine-paper-first-order",
        recipe: "sinusoid-paper",
        settings: &["inner.order=first"],
        meta_batches: &[25],
    },
    // As its peers compute it: without clipping.
    Workload {
        name: "series",
        recipe: "series",
        settings: &["outer.clip_norm=0.0"],
        meta_batches: &[32, 1024],
    },
    // Drawn characters: the work is that of Omniglot, and no data set is needed.
    Workload {
        name: "omniglot-5way-1shot",
        recipe: "omniglot-5way-1shot",
        settings: &["task.data=glyphs"],
        meta_batches: &[32],
    },
    Workload {
        name: "omniglot-5way-1shot-15query",
        recipe: "omniglot-5way-1shot",
        settings: &["task.data=glyphs", "task.queries=15"],
        meta_batches: &[32],
    },
    Workload {
        name: "omniglot-5way-1shot-5steps",
        recipe: "omniglot-5way-1shot",
        settings: &["task.data=glyphs", "inner.steps=5"],
        meta_batches: &[32],
    },
    Workload {
        name: "omniglot-depthwise",
        recipe: "omniglot-5way-1shot",
        settings: &["task.data=glyphs", DEPTHWISE],
        meta_batches: &[32],
    },
    Workload {
        name: "omniglot-grouped",
        recipe: "omniglot-5way-1shot",
        settings: &["task.data=glyphs", GROUPED],
        meta_batches: &[32],
    },
    Workload {
        name: "series-conv",
        recipe: "series",
        settings: &["outer.clip_norm=0.0", "inner.steps=1", "model.input=[1, 1, 30]", SERIES],
        meta_batches: &[32],
    },
    // The work of miniImagenet, of which no image is needed.
    Workload {
        name: "miniimagenet",
        recipe: "miniimagenet-5way-1shot",
        settings: &["task.data=glyphs"],
        meta_batches: &[4],
    },
    Workload {
        name: "resnet12",
        recipe: "miniimagenet-5way-1shot",
        settings: &[
            "task.data=glyphs",
            "inner.steps=1",
            "model.preset=resnet12",
            "model.channels=[64, 160, 320, 640]",
        ],
        meta_batches: &[1],
    },
    // Phantoms, a quarter of their points; the rates of the inner loop as its peers have them.
    Workload {
        name: "field",
        recipe: "field",
        settings: &["task.points=1024", "inner.learned_lr=none"],
        meta_batches: &[3],
    },
    Workload {
        name: "field-latent",
        recipe: "field-latent",
        settings: &["task.points=1024"],
        meta_batches: &[16],
    },
    Workload { name: "omniglot-pool", recipe: "omniglot-5way-1shot", settings: &POOLED, meta_batches: &[32] },
    Workload {
        name: "omniglot-pool-15query",
        recipe: "omniglot-5way-1shot",
        settings: &[POOLED[0], POOLED[1], "task.queries=15"],
        meta_batches: &[32],
    },
];

impl Workload {
    /// The recipe of the training, without end, with `meta_batch` tasks a meta-iteration.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn recipe(&self, meta_batch: u32) -> Result<Recipe> {
        let mut settings = vec![
            parse_setting(&format!("outer.meta_batch={meta_batch}"))?,
            parse_setting(&format!("outer.iterations={}", u32::MAX))?,
            parse_setting("control.enabled=false")?,
        ];
        for text in self.settings {
            settings.push(parse_setting(text)?);
        }
        let mut recipe = Recipe::load(self.recipe, &settings)?;
        recipe.load_data(None)?;
        Ok(recipe)
    }
}
