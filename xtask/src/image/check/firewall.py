# The card's firewall on this machine's kernel, in a network of its own: programs listen that must not be reached, and a stranger
# and a neighbour knock. Says what came through, a line each.
import os, socket, subprocess, sys
nft, rules, ports = sys.argv[1:]

def sh(*words):
    subprocess.run(words, check=True)

def said(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout

sh("mount", "-t", "tmpfs", "tmpfs", "/run")
os.mkdir("/run/netns")
sh("ip", "link", "set", "lo", "up")
sh(nft, "--file", rules)
listening = [socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
             for port in (22, 53, 80, 111, 443, 631, 5355, 8080, 8443)]

print("stranger:", said("python3", ports).replace("\n", " "))
sh(nft, "add element inet kinglet neighbours4 { 10.99.0.0/24 }")
print("neighbour:", said("python3", ports).replace("\n", " "))

sh("ip", "netns", "add", "other")
sh("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", "other")
sh("ip", "address", "add", "10.98.0.1/24", "dev", "here")
sh("ip", "-n", "other", "address", "add", "10.98.0.2/24", "dev", "there")
sh("ip", "address", "add", "fd00::1/64", "dev", "here", "nodad")
sh("ip", "-n", "other", "address", "add", "fd00::2/64", "dev", "there", "nodad")
sh("ip", "link", "set", "here", "up")
sh("ip", "-n", "other", "link", "set", "there", "up")

def there(script):
    return said("ip", "netns", "exec", "other", "python3", "-c", script).strip()

names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("", 5353))
names.settimeout(5)
there('''
import socket
to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in (5353, 5354):
    for far in (64, 255):
        to.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, far)
        to.sendto(b"%d" % far, ("10.98.0.1", port))
''')
print("names:", names.recv(64).decode())
print("six:", there('''
import socket
for port in (22, 80, 443, 8080):
    try:
        socket.create_connection(("fd00::1", port), timeout=1).close()
        print(port, end=" ")
    except TimeoutError: pass
'''))
print("echo:", there('''
import socket, struct
to = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
to.settimeout(5)
# Where the time is (13) is nobody's business; whether it is there (8) is.
for kind in (13, 8):
    packet = struct.pack("!BBHHH", kind, 0, 0, 1, 1) + bytes(12)
    total = sum(struct.unpack("!%dH" % (len(packet) // 2), packet))
    total = ~((total & 0xffff) + (total >> 16)) & 0xffff
    to.sendto(packet[:2] + struct.pack("!H", total) + packet[4:], ("10.98.0.1", 0))
print(to.recv(256)[20])
'''))
