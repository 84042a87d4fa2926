//! Rules over connections: C1 to C4.
mod disagreement;
mod late;
mod release;
mod unfollowed;

pub(super) use disagreement::disagree;
pub(super) use late::late;
pub(super) use release::barred;
pub(super) use unfollowed::{joined_before_release, unfollowed};
