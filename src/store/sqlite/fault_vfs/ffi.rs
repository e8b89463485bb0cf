//! The C side: a `sqlite3_vfs` and its `sqlite3_io_methods` that ask the [`Disk`] first and then let SQLite's own `unix` VFS do
//! the work: real files, real locks, real WAL shared memory. Must not live here: any rule of what a cut or a fault does.
#![allow(unsafe_code)] // SQLite calls a VFS through C function pointers; there is no safe way to be one. Tests only.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Arc, Weak};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use super::disk::{Disk, Ticket};
use super::faults::{self, Failure, Fault, FileKind, Go, Op};

/// Hangs on `pAppData`. Leaked with the VFS, since SQLite keeps both for the life of the process; the disk itself is not.
struct Registration {
    disk: Weak<Disk>,
    /// Only this generation may open by this name.
    born: Option<u64>,
    unix: *mut sqlite3_vfs,
}

/// What SQLite allocates per open file: this head, then the unix VFS's own file.
#[repr(C)]
struct ShimFile {
    base: sqlite3_file,
    handle: *mut Handle,
}

const HEAD: usize = size_of::<ShimFile>();

struct Handle {
    disk: Arc<Disk>,
    ticket: Ticket,
}

/// Registers a VFS for `disk`; with `born`, one that dies with that generation.
pub(super) fn register(disk: &Arc<Disk>, name: &str, born: Option<u64>) {
    let name = CString::new(name).expect("a VFS name has no zero byte");
    // SAFETY: the strings end in a zero byte; `sqlite3_vfs_find` initialises SQLite and returns a VFS that is never freed.
    let (taken, unix) = unsafe {
        (
            ffi::sqlite3_vfs_find(name.as_ptr()),
            ffi::sqlite3_vfs_find(c"unix".as_ptr()),
        )
    };
    assert!(
        taken.is_null(),
        "the VFS name {name:?} is taken: give each disk its own"
    );
    assert!(!unix.is_null(), "this SQLite has no unix VFS");
    // SAFETY: checked for null just now.
    let (file_size, max_path) = unsafe { ((*unix).szOsFile, (*unix).mxPathname) };
    let registration = Registration {
        disk: Arc::downgrade(disk),
        born,
        unix,
    };
    let vfs = Box::new(sqlite3_vfs {
        iVersion: 2,
        szOsFile: HEAD as c_int + file_size,
        mxPathname: max_path,
        pNext: ptr::null_mut(),
        zName: name.into_raw(),
        pAppData: Box::into_raw(Box::new(registration)).cast(),
        xOpen: Some(x_open),
        xDelete: Some(x_delete),
        xAccess: Some(x_access),
        xFullPathname: Some(x_full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(x_randomness),
        xSleep: Some(x_sleep),
        xCurrentTime: Some(x_current_time),
        xGetLastError: Some(x_get_last_error),
        xCurrentTimeInt64: Some(x_current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    });
    // SAFETY: the structure, its name and its data are leaked, so they live as long as SQLite may use them.
    let answer = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(vfs), 0) };
    assert_eq!(answer, ffi::SQLITE_OK, "SQLite refused to register the VFS");
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_unlock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: Some(x_shm_map),
    xShmLock: Some(x_shm_lock),
    xShmBarrier: Some(x_shm_barrier),
    xShmUnmap: Some(x_shm_unmap),
    xFetch: Some(x_fetch),
    xUnfetch: Some(x_unfetch),
};

/// The SQLite result code of an operation that did not happen.
fn code(op: Op, failure: Failure) -> c_int {
    match (failure, op) {
        (Failure::Dead, _) => ffi::SQLITE_IOERR,
        (Failure::Code(code), _) => code,
        (Failure::Injected(Fault::Enospc), Op::Write) => ffi::SQLITE_FULL,
        (_, Op::Read) => ffi::SQLITE_IOERR_READ,
        (_, Op::Write) => ffi::SQLITE_IOERR_WRITE,
        (_, Op::Sync) => ffi::SQLITE_IOERR_FSYNC,
        (_, Op::Truncate) => ffi::SQLITE_IOERR_TRUNCATE,
        (_, Op::Open) => ffi::SQLITE_CANTOPEN,
        (_, Op::Delete) => ffi::SQLITE_IOERR_DELETE,
        (_, Op::Any) => ffi::SQLITE_IOERR,
    }
}

fn checked(answer: c_int) -> Result<(), c_int> {
    if answer == ffi::SQLITE_OK {
        Ok(())
    } else {
        Err(answer)
    }
}

fn answered(op: Op, outcome: Result<Result<(), c_int>, Failure>) -> c_int {
    match outcome {
        Ok(Ok(())) => ffi::SQLITE_OK,
        Ok(Err(answer)) => answer,
        Err(failure) => code(op, failure),
    }
}

// ---- the VFS ----

/// The registration behind a VFS pointer of ours.
///
/// SAFETY: `vfs` must be one that [`register`] leaked.
unsafe fn registration<'a>(vfs: *mut sqlite3_vfs) -> &'a Registration {
    // SAFETY: by the contract above; both boxes are leaked and never changed.
    unsafe { &*(*vfs).pAppData.cast::<Registration>() }
}

/// The path SQLite names; empty for an unnamed temporary file.
///
/// SAFETY: `name` is null or ends in a zero byte.
unsafe fn path_of(name: *const c_char) -> PathBuf {
    if name.is_null() {
        return PathBuf::new();
    }
    // SAFETY: by the contract above.
    OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()).into()
}

impl Registration {
    /// The disk and the right to use it, unless the process this name was made for is dead.
    fn ticket(&self, kind: FileKind, path: PathBuf) -> Option<(Arc<Disk>, Ticket)> {
        let disk = self.disk.upgrade()?;
        let generation = self.born.unwrap_or_else(|| disk.generation());
        let ticket = Ticket {
            generation,
            kind,
            path,
            id: 0,
        };
        disk.alive(&ticket).then_some((disk, ticket))
    }
}

/// Calls a method of the unix VFS, or answers with `$missing` where it has none.
macro_rules! unix_vfs {
    ($vfs:expr, $method:ident ( $($arg:expr),* ), $missing:expr) => {{
        // SAFETY: SQLite passes the VFS it was registered with, and the arguments are passed on as they came; the unix VFS
        // expects its own structure as the first.
        unsafe {
            let unix = registration($vfs).unix;
            (*unix).$method.map_or($missing, |method| method(unix $(, $arg)*))
        }
    }};
}

unsafe extern "C" fn x_open(
    vfs: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let shim = file.cast::<ShimFile>();
    // SAFETY: SQLite passes our VFS, a name that is null or ends in zero, and `szOsFile` writable bytes. A null method table
    // tells it that there is nothing to close.
    let (registration, path) = unsafe {
        (*shim).base.pMethods = ptr::null();
        (registration(vfs), path_of(name))
    };
    let kind = match flags {
        flags if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 => FileKind::Db,
        flags if flags & ffi::SQLITE_OPEN_WAL != 0 => FileKind::Wal,
        _ => FileKind::Other,
    };
    let Some((disk, mut ticket)) = registration.ticket(kind, path) else {
        return ffi::SQLITE_CANTOPEN;
    };
    match disk.admit(&ticket, Op::Open, 0, 0) {
        Err(Failure::Dead) => return ffi::SQLITE_CANTOPEN,
        Err(failure) => return code(Op::Open, failure),
        Ok(_) => {}
    }
    // SAFETY: the bytes after our head are the unix VFS's own file, `szOsFile` of it; name and flags go on as they came.
    let open = || unsafe {
        let inner = inner(file);
        (*inner).pMethods = ptr::null();
        let unix = registration.unix;
        let xopen = (*unix).xOpen.expect("the unix VFS can open");
        let answer = checked(xopen(unix, name, inner, flags, out_flags));
        if answer.is_err() && !(*inner).pMethods.is_null() {
            close_inner(inner);
        }
        answer
    };
    let answer = answered(Op::Open, disk.open(&mut ticket, open));
    if answer == ffi::SQLITE_OK {
        // SAFETY: the same bytes; `x_close` takes the box back.
        unsafe {
            (*shim).handle = Box::into_raw(Box::new(Handle { disk, ticket }));
            (*shim).base.pMethods = &raw const METHODS;
        }
    }
    answer
}

unsafe extern "C" fn x_delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    // SAFETY: SQLite passes our VFS and a name that ends in zero.
    let (registration, path) = unsafe { (registration(vfs), path_of(name)) };
    let is_wal = path.as_os_str().as_bytes().ends_with(b"-wal");
    let kind = if is_wal { FileKind::Wal } else { FileKind::Other };
    let Some((disk, ticket)) = registration.ticket(kind, path) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    if let Err(failure) = disk.admit(&ticket, Op::Delete, 0, 0) {
        return code(Op::Delete, failure);
    }
    // The directory is synced in the model, not for real.
    let delete = || checked(unix_vfs!(vfs, xDelete(name, 0), ffi::SQLITE_IOERR_DELETE));
    answered(Op::Delete, disk.delete(&ticket, sync_dir != 0, delete))
}

unsafe extern "C" fn x_access(
    vfs: *mut sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes our VFS.
    let registration = unsafe { registration(vfs) };
    if registration.ticket(FileKind::Other, PathBuf::new()).is_none() {
        return ffi::SQLITE_IOERR_ACCESS;
    }
    unix_vfs!(vfs, xAccess(name, flags, out), ffi::SQLITE_IOERR_ACCESS)
}

unsafe extern "C" fn x_full_pathname(
    vfs: *mut sqlite3_vfs,
    name: *const c_char,
    len: c_int,
    out: *mut c_char,
) -> c_int {
    unix_vfs!(vfs, xFullPathname(name, len, out), ffi::SQLITE_CANTOPEN)
}

unsafe extern "C" fn x_randomness(vfs: *mut sqlite3_vfs, len: c_int, out: *mut c_char) -> c_int {
    unix_vfs!(vfs, xRandomness(len, out), 0)
}

unsafe extern "C" fn x_sleep(vfs: *mut sqlite3_vfs, microseconds: c_int) -> c_int {
    unix_vfs!(vfs, xSleep(microseconds), 0)
}

unsafe extern "C" fn x_current_time(vfs: *mut sqlite3_vfs, out: *mut f64) -> c_int {
    unix_vfs!(vfs, xCurrentTime(out), ffi::SQLITE_ERROR)
}

unsafe extern "C" fn x_current_time_int64(vfs: *mut sqlite3_vfs, out: *mut sqlite3_int64) -> c_int {
    unix_vfs!(vfs, xCurrentTimeInt64(out), ffi::SQLITE_ERROR)
}

unsafe extern "C" fn x_get_last_error(vfs: *mut sqlite3_vfs, len: c_int, out: *mut c_char) -> c_int {
    unix_vfs!(vfs, xGetLastError(len, out), 0)
}

// ---- an open file ----

/// The unix VFS's file behind ours.
///
/// SAFETY: `file` must be an allocation that SQLite made for this VFS.
unsafe fn inner(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: by the contract above the allocation is `HEAD` bytes and then the unix file.
    unsafe { file.cast::<u8>().add(HEAD).cast() }
}

/// SAFETY: `file` must be one that `x_open` opened and `x_close` has not closed.
unsafe fn handle<'a>(file: *mut sqlite3_file) -> &'a Handle {
    // SAFETY: by the contract above the box is alive; nobody holds it mutably.
    unsafe { &*(*file.cast::<ShimFile>()).handle }
}

/// SAFETY: `inner` must be an open file of the unix VFS.
unsafe fn close_inner(inner: *mut sqlite3_file) -> c_int {
    // SAFETY: by the contract above.
    unsafe {
        (*(*inner).pMethods)
            .xClose
            .map_or(ffi::SQLITE_OK, |close| close(inner))
    }
}

/// The handle behind a file SQLite passes.
macro_rules! handle {
    ($file:expr) => {{
        // SAFETY: SQLite calls file methods only between a successful open and the close.
        unsafe { handle($file) }
    }};
}

/// Calls a method of the unix file behind ours, or answers with an I/O error where it has none.
macro_rules! unix_file {
    ($file:expr, $method:ident ( $($arg:expr),* )) => {{
        // SAFETY: SQLite calls file methods only between a successful open and the close, and the arguments are passed on as
        // they came, or point into buffers of the stated length.
        unsafe {
            let inner = inner($file);
            (*(*inner).pMethods).$method.map_or(ffi::SQLITE_IOERR, |method| method(inner $(, $arg)*))
        }
    }};
}

/// The same for operations that neither rules nor hooks see: they only need a living process.
macro_rules! if_alive {
    ($file:expr, $call:expr) => {{
        let handle = handle!($file);
        if handle.disk.alive(&handle.ticket) {
            $call
        } else {
            ffi::SQLITE_IOERR
        }
    }};
}

unsafe extern "C" fn x_close(file: *mut sqlite3_file) -> c_int {
    let shim = file.cast::<ShimFile>();
    // SAFETY: SQLite closes each open file once; the box was made in `x_open`. Closing writes nothing, so a dead process may.
    unsafe {
        drop(Box::from_raw((*shim).handle));
        (*shim).handle = ptr::null_mut();
        (*shim).base.pMethods = ptr::null();
        close_inner(inner(file))
    }
}

unsafe extern "C" fn x_read(
    file: *mut sqlite3_file,
    buf: *mut c_void,
    len: c_int,
    offset: sqlite3_int64,
) -> c_int {
    let handle = handle!(file);
    match handle
        .disk
        .admit(&handle.ticket, Op::Read, offset as u64, len as u64)
    {
        Err(failure) => code(Op::Read, failure),
        Ok(Go::Whole) => unix_file!(file, xRead(buf, len, offset)),
        Ok(Go::Half) => {
            let part = faults::half(len as usize);
            // SAFETY: SQLite's buffer holds `len` bytes, and `part` is less.
            unsafe { ptr::write_bytes(buf.cast::<u8>().add(part), 0, len as usize - part) };
            match unix_file!(file, xRead(buf, part as c_int, offset)) {
                ffi::SQLITE_OK => ffi::SQLITE_IOERR_SHORT_READ,
                answer => answer,
            }
        }
    }
}

/// Reads what the file holds now, zeros past its end.
fn peek(file: *mut sqlite3_file, offset: u64, buf: &mut [u8]) {
    let (at, len) = (buf.as_mut_ptr().cast::<c_void>(), buf.len() as c_int);
    let answer = unix_file!(file, xRead(at, len, offset as sqlite3_int64));
    assert!(
        answer == ffi::SQLITE_OK || answer == ffi::SQLITE_IOERR_SHORT_READ,
        "reading back a simulated file failed with {answer}"
    );
}

unsafe extern "C" fn x_write(
    file: *mut sqlite3_file,
    buf: *const c_void,
    len: c_int,
    offset: sqlite3_int64,
) -> c_int {
    let handle = handle!(file);
    let (at, whole) = (offset as u64, len as usize);
    let go = match handle.disk.admit(&handle.ticket, Op::Write, at, whole as u64) {
        Err(failure) => return code(Op::Write, failure),
        Ok(go) => go,
    };
    let part = if go == Go::Half {
        faults::half(whole)
    } else {
        whole
    };
    let read = &mut |at, buf: &mut [u8]| peek(file, at, buf);
    let write = || checked(unix_file!(file, xWrite(buf, part as c_int, offset)));
    match answered(
        Op::Write,
        handle.disk.write(&handle.ticket, (at, part), read, write),
    ) {
        ffi::SQLITE_OK if go == Go::Half => ffi::SQLITE_IOERR_WRITE,
        answer => answer,
    }
}

unsafe extern "C" fn x_truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    let handle = handle!(file);
    if let Err(failure) = handle.disk.admit(&handle.ticket, Op::Truncate, 0, size as u64) {
        return code(Op::Truncate, failure);
    }
    let read = &mut |at, buf: &mut [u8]| peek(file, at, buf);
    let truncate = || checked(unix_file!(file, xTruncate(size)));
    answered(
        Op::Truncate,
        handle.disk.truncate(&handle.ticket, size as u64, read, truncate),
    )
}

unsafe extern "C" fn x_sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    let handle = handle!(file);
    handle
        .disk
        .sync(&handle.ticket)
        .map_or_else(|failure| code(Op::Sync, failure), |()| ffi::SQLITE_OK)
}

unsafe extern "C" fn x_file_size(file: *mut sqlite3_file, out: *mut sqlite3_int64) -> c_int {
    if_alive!(file, unix_file!(file, xFileSize(out)))
}

unsafe extern "C" fn x_lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    if_alive!(file, unix_file!(file, xLock(level)))
}

unsafe extern "C" fn x_unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    if_alive!(file, unix_file!(file, xUnlock(level)))
}

unsafe extern "C" fn x_check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    if_alive!(file, unix_file!(file, xCheckReservedLock(out)))
}

unsafe extern "C" fn x_file_control(file: *mut sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    // A mapped file would be read past the shim, and written past it on some systems.
    if op == ffi::SQLITE_FCNTL_MMAP_SIZE {
        return ffi::SQLITE_NOTFOUND;
    }
    if_alive!(file, unix_file!(file, xFileControl(op, arg)))
}

unsafe extern "C" fn x_sector_size(file: *mut sqlite3_file) -> c_int {
    unix_file!(file, xSectorSize())
}

unsafe extern "C" fn x_device_characteristics(file: *mut sqlite3_file) -> c_int {
    unix_file!(file, xDeviceCharacteristics())
}

unsafe extern "C" fn x_shm_map(
    file: *mut sqlite3_file,
    page: c_int,
    page_size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let handle = handle!(file);
    // Under the disk's lock: mapping opens the -shm file by name, which must not be the next process's one.
    let map = || unix_file!(file, xShmMap(page, page_size, extend, out));
    handle.disk.while_alive(&handle.ticket, map).unwrap_or_else(|| {
        // SAFETY: SQLite passes a place for the answer.
        unsafe { *out = ptr::null_mut() };
        ffi::SQLITE_IOERR_SHMMAP
    })
}

unsafe extern "C" fn x_shm_lock(file: *mut sqlite3_file, offset: c_int, n: c_int, flags: c_int) -> c_int {
    if_alive!(file, unix_file!(file, xShmLock(offset, n, flags)))
}

unsafe extern "C" fn x_shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: as in `unix_file!`.
    unsafe {
        let inner = inner(file);
        if let Some(barrier) = (*(*inner).pMethods).xShmBarrier {
            barrier(inner);
        }
    }
}

unsafe extern "C" fn x_shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    let handle = handle!(file);
    // Always let go of the memory; but a dead process must not delete the file of that name, which is its successor's by now.
    let unmap = |delete| unix_file!(file, xShmUnmap(delete));
    let done = handle.disk.while_alive(&handle.ticket, || unmap(delete));
    done.unwrap_or_else(|| unmap(0))
}

unsafe extern "C" fn x_fetch(
    _file: *mut sqlite3_file,
    _offset: sqlite3_int64,
    _len: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite passes a place for the answer; null makes it read instead.
    unsafe { *out = ptr::null_mut() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_unfetch(_: *mut sqlite3_file, _: sqlite3_int64, _: *mut c_void) -> c_int {
    ffi::SQLITE_OK
}
