//! Operations: one per stage of a task. Its id begins with the ten first bytes of its task's and ends at random, so a report finds its
//! task by the primary key. An index on the operation itself would be one more thing to write with each save, and would keep Postgres from
//! updating rows in place (heap-only tuples), which costs an entry in each of the other indexes too.

use uuid::Uuid;

const OF_TASK: usize = 10;

/// A new operation of `task`.
pub(crate) fn new(task: Uuid) -> Uuid {
    let mut bytes = Uuid::new_v4().into_bytes();
    bytes[..OF_TASK].copy_from_slice(&task.as_bytes()[..OF_TASK]);
    Uuid::from_bytes(bytes)
}

/// The least and the greatest id that the task of `operation` may have; which one it is says its row.
#[must_use]
pub fn tasks_of(operation: Uuid) -> (Uuid, Uuid) {
    let (mut least, mut greatest) = (operation.into_bytes(), operation.into_bytes());
    least[OF_TASK..].fill(0);
    greatest[OF_TASK..].fill(0xff);
    (Uuid::from_bytes(least), Uuid::from_bytes(greatest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_an_operation_is_within_its_bounds_and_few_others_are() {
        let (task, other) = (Uuid::now_v7(), Uuid::new_v4());
        let (one, two) = (new(task), new(task));
        assert_ne!(one, two);
        let (least, greatest) = tasks_of(one);
        assert!(least <= task && task <= greatest);
        assert!(!(least <= other && other <= greatest));
    }
}
