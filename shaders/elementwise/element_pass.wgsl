// import: functions
// A function of single elements over every task: sizes and places. The host's twin is in `src/ops/elementwise/gpu.rs`.

struct ElementPass {
    count: u32, // elements of a task
    gate: u32, // whether x came out of a ReLU, through which cotangents go
    adds: u32, // whether the result is added to what is there
    moves: u32, // whether ẋ is not zero
    x: vec2<u32>, // offset of task 0, stride from task to task
    values: vec2<u32>,
    x_dot: vec2<u32>,
    values_dot: vec2<u32>,
    result: vec2<u32>,
    setting: f32,
    setting_rest: f32, // what float32 lacks of the setting
}

@group(0) @binding(0) var<uniform> shape: ElementPass;

override FUNCTION: u32 = 0u;

// f(x), f′(x), f″(x).
fn function_at(x: f32) -> vec3<f32> {
    return function(FUNCTION, vec2<f32>(shape.setting, shape.setting_rest), x);
}
