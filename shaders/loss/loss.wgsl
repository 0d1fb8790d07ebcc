// import: loss_functions
// import: loss_pass
// The loss of a set of points and its gradient:
//     of elements     L = Σ ℓ(y, t) / (n m)           dy = ℓ′(y, t) / (n m)
//     of classes      L = Σ −Σ q log p / n            dy = (p − q) / n
// (with WEIGHTED a point's share w / Σ w in place of 1 / n, and nothing of a point without one)
// with n points and m outputs; dz = weight · dy, zero where a ReLU is closed.

override WORKGROUP: u32 = 64u;

// What goes to the task's row: bits of `target_rows`.
const ROW_SETS_QUERY = 1u; // column 0 = weight · L
const ROW_ADDS_QUERY = 2u; // column 0 += weight · L
const ROW_SETS_SUPPORT = 4u; // column 1 = L
const ROW_CLEARS_SUPPORT = 8u; // column 1 = 0
const REPORTS = 16u; // the report has a place for L
const ADDS = 32u; // points of the set have been before these: column 1 and the report += L

@group(0) @binding(1) var<storage, read> outputs: array<f32>;
@group(0) @binding(2) var<storage, read> truths: array<f32>;
@group(0) @binding(3) var<storage, read_write> cotangents: array<f32>;
@group(0) @binding(4) var<storage, read_write> report: array<f32>;
@group(0) @binding(5) var<storage, read_write> rows: array<f32>;
@group(0) @binding(6) var<storage, read> shares: array<f32>;

var<workgroup> sums: array<f32, WORKGROUP>;

// The loss of point `p`, and with `wants_gradient` its cotangents.
fn point_loss(task: u32, p: u32) -> f32 {
    let y = shape.y.x + task * shape.y.y + p * shape.outputs;
    let truth = shape.truth.x + task * shape.truth.y;
    let dz = shape.dz.x + task * shape.dz.y + p * shape.outputs;
    var loss = 0.0;
    var share = shape.weight * shape.part / f32(shape.points);
    var counts = 1.0;
    if (WEIGHTED) {
        let own = shares[shape.shares.x + task * shape.shares.y + p];
        share = shape.weight * own;
        counts = own * f32(shape.points);
    }
    var label = 0u;
    var classes = no_classes(0.0);
    if (LOSS == CROSS_ENTROPY) {
        label = u32(truths[truth + p]);
        var top = outputs[y];
        for (var o = 1u; o < shape.outputs; o++) {
            top = max(top, outputs[y + o]);
        }
        classes = no_classes(top);
        for (var o = 0u; o < shape.outputs; o++) {
            classes = with_class(classes, outputs[y + o], o == label);
        }
        loss = class_loss(classes, shape.outputs);
    } else {
        share /= f32(shape.outputs);
    }
    for (var o = 0u; o < shape.outputs; o++) {
        let value = outputs[y + o];
        var dy = 0.0;
        if (LOSS == CROSS_ENTROPY) {
            dy = class_slope(classes, value, o == label, shape.outputs);
        } else {
            let element = element_loss(value, truths[truth + p * shape.outputs + o]);
            dy = element.y;
            loss += element.x;
        }
        if (shape.wants_gradient != 0u) {
            cotangents[dz + o] = select(0.0, share * dy, counts > 0.0 && (shape.relu == 0u || value > 0.0));
        }
    }
    return select(0.0, loss * counts, counts > 0.0);
}

// One workgroup: one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    var sum = 0.0;
    for (var p = lane; p < shape.points; p += WORKGROUP) {
        sum += point_loss(task, p);
    }
    sums[lane] = sum;
    workgroupBarrier();
    if (lane == 0u) {
        var total = 0.0;
        for (var i = 0u; i < min(WORKGROUP, shape.points); i++) {
            total += sums[i];
        }
        let loss = total / f32(shape.points * select(shape.outputs, 1u, LOSS == CROSS_ENTROPY)) * shape.part;
        let row = shape.row.x + task * shape.row.y;
        let to = shape.target_rows;
        if ((to & ROW_SETS_QUERY) != 0u) {
            rows[row] = shape.weight * loss;
        }
        if ((to & ROW_ADDS_QUERY) != 0u) {
            rows[row] += shape.weight * loss;
        }
        if ((to & REPORTS) != 0u) {
            let at = shape.report.x + task * shape.report.y;
            report[at] = loss + select(0.0, report[at], (to & ADDS) != 0u);
        }
        if ((to & ROW_SETS_SUPPORT) != 0u) {
            rows[row + 1u] = loss + select(0.0, rows[row + 1u], (to & ADDS) != 0u);
        }
        if ((to & ROW_CLEARS_SUPPORT) != 0u) {
            rows[row + 1u] = 0.0;
        }
    }
}
