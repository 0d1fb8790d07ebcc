//! Both paths of the GPU backend, on whatever adapter there is: one program, so that tests share what a driver compiles.
#![allow(clippy::print_stdout, reason = "a test says what it saw, and how close it came")]

#[path = "../adapter/mod.rs"]
mod adapter;
#[path = "../common/mod.rs"]
mod common;
mod device;
mod errors;
mod fused;
mod golden;
mod graphs;
mod images;
mod layered;
mod memory;
mod models;
mod order;
mod training;
