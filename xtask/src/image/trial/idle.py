# Counts what is written to the system's partition while nobody is there, and what the server and the board's programs cost meanwhile:
# the first line is sectors, the others are for people. All by the kernel's own counts.
import os, socket, subprocess, time

SECONDS = @SECONDS@
TICK = 1000 // os.sysconf("SC_CLK_TCK")
UNITS = ["kinglet.service", "kinglet-board-screen.service"]


def sectors(disk):
    with open(f"/sys/class/block/{disk}/stat") as stat:
        return int(stat.read().split()[6])


def written(pid):
    with open(f"/proc/{pid}/io") as io:
        return next(int(line.split()[1]) for line in io if line.startswith("write_bytes"))


def busy(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return TICK * (int(fields[11]) + int(fields[12]))


def pid_of(unit):
    return subprocess.check_output(["systemctl", "show", "--property=MainPID", "--value", unit], text=True).strip()


pids = {unit: pid_of(unit) for unit in UNITS}
os.sync()
before = {unit: (busy(pid), written(pid)) for unit, pid in pids.items()}
system, data = sectors("vda5"), sectors("vda7")
time.sleep(SECONDS)
os.sync()
print(sectors("vda5") - system)
for unit, pid in pids.items():
    ms, size = (now - then for now, then in zip((busy(pid), written(pid)), before[unit]))
    print(f"{unit}: {ms * 3600 / SECONDS:.0f} ms of processor and {size * 3600 / SECONDS:.0f} bytes written in an hour")
print(f"to the data's partition: {512 * (sectors('vda7') - data) * 3600 / SECONDS:.0f} bytes in an hour, the file system's own with them")

# As the server asks once in an hour.
own, its = socket.socketpair()
board = subprocess.Popen(["/usr/libexec/kinglet/kinglet-board"], stdin=its, stdout=subprocess.DEVNULL)
own.sendall(b'{"verb":"sensors"}\n')
said = own.recv(65536)
os.waitid(os.P_PID, board.pid, os.WEXITED | os.WNOWAIT)
size = written(board.pid)
_, status, used = os.wait4(board.pid, 0)
if status != 0 or b'"ok":true' not in said:
    raise SystemExit(f"kinglet-board ended with {status} and said {said}")
print(f"kinglet-board, asked once in an hour: {1000 * (used.ru_utime + used.ru_stime):.0f} ms of processor and {size} bytes written")
