//! A batch of tasks cut into chunks of groups.
//!
//! The cut depends on the batch and the instruction set alone, and every sum has a fixed order, so results do
//! not depend on the number of threads.

/// Groups a chunk has at most: beyond that, threads would run out of chunks to share.
const GROUPS_A_CHUNK: usize = 8;
/// Chunks there should be before a chunk takes a second group.
const CHUNKS: usize = 16;

/// How a batch is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Tasks, as lanes count them.
    tasks: usize,
    lanes: usize,
    groups_a_chunk: usize,
    pub(super) chunks: usize,
}

impl Cut {
    pub(super) fn new(tasks: usize, lanes: usize) -> Self {
        Self::into(CHUNKS, tasks, lanes)
    }

    /// Tasks that are each long enough to occupy a thread.
    pub(super) fn of_tasks(tasks: usize) -> Self {
        Self::into(2 * CHUNKS, tasks, 1)
    }

    fn into(chunks: usize, tasks: usize, lanes: usize) -> Self {
        let groups = tasks.div_ceil(lanes);
        let groups_a_chunk = (groups / chunks).clamp(1, GROUPS_A_CHUNK);
        Self { tasks, lanes, groups_a_chunk, chunks: groups.div_ceil(groups_a_chunk) }
    }

    /// First task and number of tasks of each group of a chunk.
    pub(super) fn groups(self, chunk: usize) -> impl Iterator<Item = (usize, usize)> {
        let first = chunk * self.groups_a_chunk * self.lanes;
        let end = self.tasks.min(first + self.groups_a_chunk * self.lanes);
        (first..end).step_by(self.lanes).map(move |at| (at, self.lanes.min(end - at)))
    }

    /// The largest share of so many members.
    pub(super) fn shared_by(self, members: usize) -> Self {
        Self { chunks: self.chunks.div_ceil(members.max(1)), ..self }
    }

    /// How many threads share each task, if they can: few, but so many that hardly one of all is without work at the end.
    pub(super) fn threads_each(self, threads: usize) -> usize {
        // What is computed in the rounds that it takes, of what all threads could.
        let used = |each: usize| {
            let rounds = self.chunks.div_ceil(threads / each);
            (self.chunks * each) as f64 / (threads * rounds) as f64
        };
        let best = (1..=threads).map(used).fold(0.0, f64::max);
        (1..=threads).find(|&each| used(each) >= best.min(0.875)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_tasks_where_some_would_be_idle() {
        for (threads, tasks, each) in [
            (1, 1, 1),
            (1, 7, 1),
            (2, 1, 2),
            (2, 2, 1),
            (2, 3, 2),
            (2, 7, 1),
            (2, 16, 1),
            (3, 2, 3),
            (4, 6, 2),
            (16, 3, 5),
            (16, 16, 1),
            (16, 20, 3),
        ] {
            assert_eq!(Cut::of_tasks(tasks).threads_each(threads), each, "{threads} threads, {tasks} tasks");
        }
    }
}
