//! Models adapted to a task: as files, from the command line, on other devices.

#[path = "../adapter/mod.rs"]
mod adapter;
mod cli;
mod models;
