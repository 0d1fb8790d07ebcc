// Rows of tasks added up in groups, always in the order of the tasks, so that it does not matter how tasks are cut
// into tiles: a group that a tile boundary cuts is continued by the next tile.

struct GroupSums {
    columns: u32,
    group: u32, // tasks of a group
    first: u32, // task of this tile
    tasks: u32, // of this tile
}

override WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<uniform> shape: GroupSums;
@group(0) @binding(1) var<storage, read> rows: array<f32>; // [tasks, columns]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>; // [groups, columns]

// One workgroup: WORKGROUP columns of one group.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = workgroup.x * WORKGROUP + lane;
    if (column >= shape.columns) {
        return;
    }
    let group = shape.first / shape.group + workgroup.y;
    let begin = group * shape.group;
    let end = min(begin + shape.group, shape.first + shape.tasks);
    let to = group * shape.columns + column;
    var task = begin;
    var sum = 0.0;
    if (begin < shape.first) {
        task = shape.first;
        sum = partials[to];
    }
    for (; task < end; task++) {
        sum += rows[(task - shape.first) * shape.columns + column];
    }
    partials[to] = sum;
}
