//! What both paths have in common: the state that stays on the device, tasks drawn there or staged by the host, the mean
//! over tasks, the outer update, and the loop of many meta-iterations a submission.

pub(crate) mod clipped_update;
pub(crate) mod draw;
pub(crate) mod draw_images;
pub(crate) mod pass;
mod profile;
pub(crate) mod reduce;
pub(crate) mod request;
pub(crate) mod shared;
pub(crate) mod staged;
pub(crate) mod training;
