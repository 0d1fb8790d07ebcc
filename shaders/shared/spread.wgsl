// The elements of a task over as many workgroups as they need: beyond what one dimension of a dispatch takes, they go on
// along the third (`Seat::spread`). The kernel that imports this has WORKGROUP, and leaves out what lies beyond the last element.

const MOST_WORKGROUPS = 65535u;

// The element of an invocation.
fn element_of(workgroup: vec3<u32>, lane: u32) -> u32 {
    return (workgroup.z * MOST_WORKGROUPS + workgroup.x) * WORKGROUP + lane;
}
