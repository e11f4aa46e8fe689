//! [`Credentials`]: who a process is, and what it may do (credentials(7), capabilities(7)).
//!
//! One per [`Process`](crate::Process); changed by the calls of the uid, gid and capability families. Pure rules: no call
//! has an effect outside.
//!
//! Invariants: effective capabilities are permitted ones; no unknown capability is ever in a set.

use alloc::{sync::Arc, vec::Vec};
use fs::access::Subject;

/// CAP_KILL.
pub const CAP_KILL: u32 = 5;
/// CAP_SETGID.
pub const CAP_SETGID: u32 = 6;
/// CAP_SETUID.
pub const CAP_SETUID: u32 = 7;
/// CAP_SETPCAP.
pub const CAP_SETPCAP: u32 = 8;
/// CAP_IPC_LOCK.
pub const CAP_IPC_LOCK: u32 = 14;
/// CAP_SYS_ADMIN.
pub const CAP_SYS_ADMIN: u32 = 21;
/// CAP_SYS_NICE.
pub const CAP_SYS_NICE: u32 = 23;
/// CAP_SYS_RESOURCE.
pub const CAP_SYS_RESOURCE: u32 = 24;
/// CAP_SYS_TIME.
pub const CAP_SYS_TIME: u32 = 25;
/// The last capability that exists (CAP_CHECKPOINT_RESTORE).
pub const CAP_LAST: u32 = 40;
/// Every capability.
pub const CAP_ALL: u64 = (1 << (CAP_LAST + 1)) - 1;
/// Those that follow the file system user: CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, LINUX_IMMUTABLE, MKNOD,
/// MAC_OVERRIDE.
const CAP_FS: u64 = 0b1_1111 | 1 << 9 | 1 << 27 | 1 << 32;

/// Most supplementary groups (NGROUPS_MAX).
pub const GROUPS_MAX: usize = 65536;

/// A change that the process may not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPermitted;

impl core::fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("operation not permitted")
    }
}

impl core::error::Error for NotPermitted {}

/// Real, effective, saved and file system id, of the user or of the group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Who started it.
    pub real: u32,
    /// Whose rights it uses.
    pub effective: u32,
    /// Whose rights it may take up again.
    pub saved: u32,
    /// Whose files it may use.
    pub fs: u32,
}

impl Ids {
    fn any(&self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }

    /// setuid(2).
    fn set(&mut self, id: u32, privileged: bool) -> Result<(), NotPermitted> {
        if privileged {
            *self = Ids { real: id, effective: id, saved: id, fs: id };
        } else if id == self.real || id == self.saved {
            (self.effective, self.fs) = (id, id);
        } else {
            return Err(NotPermitted);
        }
        Ok(())
    }

    /// setreuid(2).
    fn set_real_effective(
        &mut self,
        real: Option<u32>,
        effective: Option<u32>,
        privileged: bool,
    ) -> Result<(), NotPermitted> {
        let real_ok = real.is_none_or(|id| id == self.real || id == self.effective);
        let effective_ok = effective.is_none_or(|id| self.any(id));
        if !privileged && (!real_ok || !effective_ok) {
            return Err(NotPermitted);
        }
        let save = real.is_some() || effective.is_some_and(|id| id != self.real);
        self.real = real.unwrap_or(self.real);
        self.effective = effective.unwrap_or(self.effective);
        if save {
            self.saved = self.effective;
        }
        self.fs = self.effective;
        Ok(())
    }

    /// setresuid(2): real, effective, saved.
    fn set_all(&mut self, new: [Option<u32>; 3], privileged: bool) -> Result<(), NotPermitted> {
        if !privileged && !new.into_iter().flatten().all(|id| self.any(id)) {
            return Err(NotPermitted);
        }
        let [real, effective, saved] = new;
        self.real = real.unwrap_or(self.real);
        self.effective = effective.unwrap_or(self.effective);
        self.saved = saved.unwrap_or(self.saved);
        self.fs = self.effective;
        Ok(())
    }

    /// setfsuid(2): the id before. A change that is not permitted does nothing.
    fn set_fs(&mut self, id: Option<u32>, privileged: bool) -> u32 {
        let before = self.fs;
        if let Some(id) = id.filter(|&id| privileged || self.any(id) || id == before) {
            self.fs = id;
        }
        before
    }
}

/// A change of one of the two families of ids. `None` leaves an id as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdChange {
    /// setuid(2).
    Set(u32),
    /// setreuid(2): real, effective.
    RealEffective(Option<u32>, Option<u32>),
    /// setresuid(2): real, effective, saved.
    All([Option<u32>; 3]),
}

/// The sets of capabilities of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// In force.
    pub effective: u64,
    /// May be put in force.
    pub permitted: u64,
    /// May survive execve.
    pub inheritable: u64,
}

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Users.
    pub user: Ids,
    /// Groups.
    pub group: Ids,
    groups: Option<Arc<Vec<u32>>>,
    capabilities: Capabilities,
    bounding: u64,
    /// PR_SET_KEEPCAPS: permitted capabilities survive giving up user 0.
    pub keep_capabilities: bool,
}

impl Credentials {
    /// Root, with all capabilities and no supplementary groups.
    pub fn root() -> Self {
        Credentials {
            user: Ids::default(),
            group: Ids::default(),
            groups: None,
            capabilities: Capabilities { effective: CAP_ALL, permitted: CAP_ALL, inheritable: 0 },
            bounding: CAP_ALL,
            keep_capabilities: false,
        }
    }

    /// Whether a capability is in force.
    pub fn capable(&self, capability: u32) -> bool {
        self.capabilities.effective.checked_shr(capability).is_some_and(|bits| bits & 1 != 0)
    }

    /// Changes user ids.
    pub fn change_user(&mut self, change: IdChange) -> Result<(), NotPermitted> {
        let before = self.user;
        let privileged = self.capable(CAP_SETUID);
        apply(&mut self.user, change, privileged)?;
        self.follow_user(before);
        Ok(())
    }

    /// Changes group ids.
    pub fn change_group(&mut self, change: IdChange) -> Result<(), NotPermitted> {
        let privileged = self.capable(CAP_SETGID);
        apply(&mut self.group, change, privileged)
    }

    /// setfsuid(2): the id before.
    pub fn set_fs_user(&mut self, id: Option<u32>) -> u32 {
        let before = self.user;
        let privileged = self.capable(CAP_SETUID);
        let old = self.user.set_fs(id, privileged);
        self.follow_fs(before.fs);
        old
    }

    /// setfsgid(2): the id before.
    pub fn set_fs_group(&mut self, id: Option<u32>) -> u32 {
        let privileged = self.capable(CAP_SETGID);
        self.group.set_fs(id, privileged)
    }

    /// The supplementary groups, sorted.
    pub fn groups(&self) -> &[u32] {
        self.groups.as_deref().map_or(&[], Vec::as_slice)
    }

    /// setgroups(2).
    pub fn set_groups(&mut self, mut groups: Vec<u32>) -> Result<(), NotPermitted> {
        if !self.capable(CAP_SETGID) {
            return Err(NotPermitted);
        }
        groups.sort_unstable();
        self.groups = (!groups.is_empty()).then(|| Arc::new(groups));
        Ok(())
    }

    /// Who uses files for the process.
    pub fn subject(&self) -> Subject {
        Subject {
            uid: self.user.fs,
            gid: self.group.fs,
            groups: self.groups.clone(),
            capabilities: self.capabilities.effective,
        }
    }

    /// Who uses files in the eyes of access(2): the user who started the process, with what that user could have in force.
    pub fn real_subject(&self) -> Subject {
        let capabilities = if self.user.real == 0 { self.capabilities.permitted } else { 0 };
        Subject { uid: self.user.real, gid: self.group.real, groups: self.groups.clone(), capabilities }
    }

    /// The capabilities.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// capset(2). Unknown capabilities are dropped.
    pub fn set_capabilities(&mut self, new: Capabilities) -> Result<(), NotPermitted> {
        let Capabilities { effective, permitted, inheritable } = new;
        let new = Capabilities {
            effective: effective & CAP_ALL,
            permitted: permitted & CAP_ALL,
            inheritable: inheritable & CAP_ALL,
        };
        let old = self.capabilities;
        let gains = |set: u64, from: u64| set & !from != 0;
        let may_inherit = if self.capable(CAP_SETPCAP) { CAP_ALL } else { old.inheritable | old.permitted };
        if gains(new.inheritable, may_inherit)
            || gains(new.inheritable, old.inheritable | self.bounding)
            || gains(new.permitted, old.permitted)
            || gains(new.effective, new.permitted)
        {
            return Err(NotPermitted);
        }
        self.capabilities = new;
        Ok(())
    }

    /// Whether a capability is in the bounding set; `None` for an unknown one.
    pub fn is_bounding(&self, capability: u64) -> Option<bool> {
        (capability <= u64::from(CAP_LAST)).then(|| self.bounding >> capability & 1 != 0)
    }

    /// Takes a known capability out of the bounding set.
    pub fn drop_bounding(&mut self, capability: u64) -> Result<(), NotPermitted> {
        if !self.capable(CAP_SETPCAP) {
            return Err(NotPermitted);
        }
        self.bounding &= !1u64.checked_shl(capability as u32).unwrap_or(0);
        Ok(())
    }

    /// What a change of the user does to the capabilities.
    fn follow_user(&mut self, before: Ids) {
        let now = self.user;
        if before.any(0) && !now.any(0) {
            self.capabilities.effective = 0;
            if !self.keep_capabilities {
                self.capabilities.permitted = 0;
            }
        }
        if before.effective == 0 && now.effective != 0 {
            self.capabilities.effective = 0;
        } else if before.effective != 0 && now.effective == 0 {
            self.capabilities.effective = self.capabilities.permitted;
        }
        self.follow_fs(before.fs);
    }

    fn follow_fs(&mut self, before: u32) {
        if before == 0 && self.user.fs != 0 {
            self.capabilities.effective &= !CAP_FS;
        } else if before != 0 && self.user.fs == 0 {
            self.capabilities.effective |= self.capabilities.permitted & CAP_FS;
        }
    }
}

fn apply(ids: &mut Ids, change: IdChange, privileged: bool) -> Result<(), NotPermitted> {
    match change {
        IdChange::Set(id) => ids.set(id, privileged),
        IdChange::RealEffective(real, effective) => ids.set_real_effective(real, effective, privileged),
        IdChange::All(new) => ids.set_all(new, privileged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(c: &Credentials) -> [u32; 4] {
        [c.user.real, c.user.effective, c.user.saved, c.user.fs]
    }

    #[test]
    fn root_gives_itself_up_for_good() {
        let mut c = Credentials::root();
        c.change_user(IdChange::Set(1000)).unwrap();
        assert_eq!(ids(&c), [1000; 4]);
        assert_eq!((c.capabilities().effective, c.capabilities().permitted), (0, 0));
        assert_eq!(c.change_user(IdChange::Set(0)), Err(NotPermitted));
        assert_eq!(c.change_group(IdChange::Set(5)), Err(NotPermitted));
        assert_eq!(c.set_groups(Vec::new()), Err(NotPermitted));
        c.change_user(IdChange::All([None, Some(1000), None])).unwrap();
        assert_eq!(c.change_user(IdChange::All([None, Some(1), None])), Err(NotPermitted));
        assert_eq!(c.change_user(IdChange::RealEffective(Some(1), None)), Err(NotPermitted));
        assert_eq!((c.set_fs_user(Some(7)), c.set_fs_user(Some(1000))), (1000, 1000));
    }

    #[test]
    fn root_for_a_while() {
        let mut c = Credentials::root();
        c.change_user(IdChange::All([None, Some(1000), None])).unwrap();
        assert_eq!((ids(&c), c.capable(CAP_SETUID)), ([0, 1000, 0, 1000], false));
        c.change_user(IdChange::Set(0)).unwrap();
        assert_eq!((ids(&c), c.capable(CAP_SETUID)), ([0; 4], true));
        c.change_user(IdChange::RealEffective(None, Some(7))).unwrap();
        assert_eq!(ids(&c), [0, 7, 7, 7]);
        c.change_user(IdChange::RealEffective(Some(7), Some(0))).unwrap();
        assert_eq!(ids(&c), [7, 0, 0, 0], "swapped");
    }

    #[test]
    fn capabilities_follow_the_user() {
        let mut c = Credentials::root();
        assert_eq!(c.set_fs_user(Some(5)), 0);
        assert_eq!(c.capabilities().effective, CAP_ALL & !CAP_FS);
        assert_eq!(c.set_fs_user(Some(0)), 5);
        assert_eq!(c.capabilities().effective, CAP_ALL);
        c.keep_capabilities = true;
        c.change_user(IdChange::Set(1)).unwrap();
        assert_eq!((c.capabilities().effective, c.capabilities().permitted), (0, CAP_ALL));
        let some = Capabilities { effective: 1 << CAP_SETUID, permitted: 1 << CAP_SETUID, inheritable: 0 };
        c.set_capabilities(some).unwrap();
        assert_eq!(c.set_capabilities(Capabilities { permitted: 3, ..some }), Err(NotPermitted));
        assert_eq!(c.set_capabilities(Capabilities { effective: 3, ..some }), Err(NotPermitted));
        assert_eq!(c.set_capabilities(Capabilities { inheritable: 3, ..some }), Err(NotPermitted));
        c.change_user(IdChange::Set(0)).unwrap();
        assert_eq!(c.capabilities(), some, "not more than was permitted");
    }

    #[test]
    fn bounding_set() {
        let mut c = Credentials::root();
        assert_eq!((c.is_bounding(3), c.is_bounding(41), c.is_bounding(u64::MAX)), (Some(true), None, None));
        c.drop_bounding(3).unwrap();
        assert_eq!(c.is_bounding(3), Some(false));
        let want = Capabilities { inheritable: 1 << 3, ..c.capabilities() };
        assert_eq!(c.set_capabilities(want), Err(NotPermitted));
    }
}
