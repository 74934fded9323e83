# SPDX-License-Identifier: GPL-2.0-only
"""Ways around the gate that pass by connect() and sendto(), or lie to them.

Each is a function that tries it once and raises what it met. A packet that got out
is known by its payload, or, where it has none, by its port.

As a program, ways.py HERE4 THERE4 HERE6 THERE6 CARD EVADE CONTAINER: reads "WAY FIRST
TIMES" from standard input, tries the way of that number so often, to ports from FIRST
on, and says what it met.
"""
import ctypes
import dataclasses
import os
import select
import socket
import struct
import subprocess
import sys

IPV6_RTHDR, IPV6_HDRINCL, TCP_REPAIR, IPPROTO_UDPLITE = 57, 36, 19, 136
AF_SMC, IPPROTO_SMC = 43, 256
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = \
    0x20000, 0x10000000, 0x20000000, 0x40000000
EINPROGRESS = 115
NOBODY = 65534
NAMESPACE = "way"

libc = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass
class Place:
    """Where the ways start and lead; the port and the payload are the way's own."""
    here4: str
    there4: str
    here6: str
    there6: str
    card: str
    evade: str              # the program of this name
    container: int = 0      # a process in it
    port: int = 4242
    payload: bytes = b"sockgate-way-out"


at = None


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def outcome(s):
    """Of a connect() that did not wait."""
    poll = select.poll()
    poll.register(s, select.POLLOUT)
    poll.poll()
    error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, "refused")


def routing_header(kind):
    return bytes([0, 2, kind, 1 if kind == 2 else 0, 0, 0, 0, 0]) + \
        socket.inet_pton(socket.AF_INET6, at.there6)


def udp4():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(at.payload, (at.there4, at.port))


def udp6():
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(at.payload, (at.there6, at.port))


def udp_mapped():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.sendto(at.payload, ("::ffff:" + at.there4, at.port))


def udp_nonblocking():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    s.sendto(at.payload, (at.there4, at.port))


def udp_dissolved():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", at.port))
    libc.connect(s.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)
    s.sendto(at.payload, (at.there4, at.port))


def udp_connected_elsewhere():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((at.here4, 0))
    s.connect(("127.0.0.1", at.port))
    s.sendmsg([at.payload], [], 0, (at.there4, at.port))


def udplite():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, IPPROTO_UDPLITE)
    s.sendto(at.payload, (at.there4, at.port))


def rthdr2():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, IPV6_RTHDR, routing_header(2))
    s.sendto(at.payload, ("::1", at.port))


def rthdr4():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, IPV6_RTHDR, routing_header(4))
    s.sendto(at.payload, ("::1", at.port))


def rthdr2_in_message():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.sendmsg([at.payload], [(socket.IPPROTO_IPV6, IPV6_RTHDR, routing_header(2))],
              0, ("::1", at.port))


def rthdr2_connected():
    """Over loopback, which is allowed, until the connection is told to go elsewhere."""
    listener = socket.socket(socket.AF_INET6)
    listener.bind(("::1", 0))
    listener.listen()
    s = socket.create_connection(listener.getsockname()[:2])
    s.setsockopt(socket.IPPROTO_IPV6, IPV6_RTHDR, routing_header(2))
    s.send(at.payload)


def loose_route():
    return bytes([131, 7, 4]) + socket.inet_aton(at.there4) + b"\0"


def source_route():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, loose_route())
    s.sendto(at.payload, ("127.0.0.1", at.port))


def source_route_connected():
    """Over loopback, from an address that may leave, until its next route is sought."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    s = socket.create_connection(listener.getsockname(), source_address=(at.here4, 0))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, loose_route())
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 4)
    s.send(at.payload)


def udp_header():
    return struct.pack(">HHHH", at.port, at.port, 8 + len(at.payload), 0)


def ip_header(source, protocol):
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(at.payload), 1, 0, 64,
                       protocol, 0, socket.inet_aton(source),
                       socket.inet_aton(at.there4))


def raw_header():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, at.card.encode())
    s.sendto(ip_header(at.here4, 17) + udp_header() + at.payload, (at.there4, 0))


def raw_forged_source():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.sendto(ip_header("192.0.2.77", 17) + udp_header() + at.payload,
             (at.there4, 0))


def raw_forged_protocol():
    """A socket for TCP, a header that says ICMP."""
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    s.sendto(ip_header(at.here4, 1) + udp_header() + at.payload, (at.there4, 0))


def raw_forged_destination():
    """The call names loopback, the header another."""
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, at.card.encode())
    s.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    s.sendto(ip_header("127.0.0.1", 17) + udp_header() + at.payload,
             ("127.0.0.1", 0))


def raw6_header():
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    length = 8 + len(at.payload)
    s.sendto(struct.pack(">IHBB", 6 << 28, length, 17, 64) +
             socket.inet_pton(socket.AF_INET6, "2001:db8:7::7") +
             socket.inet_pton(socket.AF_INET6, at.there6) + udp_header() +
             at.payload, (at.there6, 0))


def raw6():
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 253)
    s.sendto(at.payload, (at.there6, 0))


def raw_icmp():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.sendto(struct.pack(">BBHHH", 8, 0, 0, 1, 1) + at.payload, (at.there4, 0))


def marked_and_bound():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x7fffffff)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, at.card.encode())
    s.sendto(at.payload, (at.there4, at.port))


def repaired():
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    s.bind((at.here4, 0))
    s.connect((at.there4, at.port))
    s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)
    s.send(at.payload)


def repaired_nonblocking():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    s.bind((at.here4, 0))
    s.connect((at.there4, at.port))
    s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)
    s.send(at.payload)


def tcp_syn(family=socket.AF_INET, protocol=0):
    """Its SYN is the packet."""
    fd = checked(libc.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK,
                             protocol))
    to = struct.pack("=H", socket.AF_INET) + struct.pack(">H", at.port) + \
        socket.inet_aton(at.there4) + b"\0" * 8
    if libc.connect(fd, to, 16) and ctypes.get_errno() != EINPROGRESS:
        raise OSError(ctypes.get_errno(), "connect")
    return fd


def tcp_nonblocking():
    outcome(socket.socket(fileno=tcp_syn()))


def smc():
    os.close(tcp_syn(family=AF_SMC))


def smc_inet():
    os.close(tcp_syn(protocol=IPPROTO_SMC))


def fastopen():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        s.sendto(at.payload, socket.MSG_FASTOPEN, (at.there4, at.port))
    except BlockingIOError:
        outcome(s)


def after_connect(send, nonblocking):
    """Sends whatever connect() said."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setblocking(not nonblocking)
    refused = None
    try:
        s.connect((at.there4, at.port))
    except OSError as e:
        refused = e
    try:
        send(s)
    except OSError as e:
        raise refused or e
    if refused:
        raise refused


def by_sendfile(s):
    file = os.memfd_create("payload")
    os.write(file, at.payload)
    try:
        os.sendfile(s.fileno(), file, 0, len(at.payload))
    finally:
        os.close(file)


def by_splice(s):
    out, into = os.pipe()
    os.write(into, at.payload)
    try:
        os.splice(out, s.fileno(), len(at.payload))
    finally:
        os.close(out)
        os.close(into)


def sendfile():
    after_connect(by_sendfile, False)


def sendfile_nonblocking():
    after_connect(by_sendfile, True)


def splice():
    after_connect(by_splice, False)


def splice_nonblocking():
    after_connect(by_splice, True)


def enter(path, kinds):
    fd = os.open(path, os.O_RDONLY)
    try:
        checked(libc.setns(fd, kinds))
    finally:
        os.close(fd)


def enter_namespace():
    enter("/run/netns/" + NAMESPACE, CLONE_NEWNET)


def namespace_udp():
    enter_namespace()
    udp4()


def namespace_tcp():
    enter_namespace()
    os.close(tcp_syn())


def namespace_connected():
    enter_namespace()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((at.there4, at.port))
    s.send(at.payload)


def namespace_left():
    """The socket is of the namespace that it was made in."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    enter_namespace()
    s.sendto(at.payload, (at.there4, at.port))


def in_child(way):
    pid = os.fork()
    if not pid:
        os._exit(met(way))
    error = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if error:
        raise OSError(error, "refused")


def in_container(way):
    """A process of a container: of all its namespaces, root there."""
    pidfd = checked(libc.syscall(434, at.container, 0))
    checked(libc.setns(pidfd, CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS |
                       CLONE_NEWPID))
    os.setuid(0)
    in_child(way)


def container_udp():
    in_child(lambda: in_container(udp4))


def container_tcp():
    in_child(lambda: in_container(lambda: os.close(tcp_syn())))


def container_raw():
    in_child(lambda: in_container(raw_forged_source))


def program(way):
    """One of those in evade.c, to IPv4."""
    def run():
        error = subprocess.run([at.evade, way, at.there4, str(at.port),
                                at.payload.decode(), at.here4],
                               check=False).returncode
        if error:
            raise OSError(error, way)
    return run


# What gives a packet away: its payload, or its destination port.
PAYLOAD, PORT = "payload", "port"


@dataclasses.dataclass
class Way:
    name: str
    attempt: object
    root: bool = False
    mark: str = PAYLOAD
    everywhere: bool = True     # all kernels have it


WAYS = [
    Way("udp, IPv4", udp4),
    Way("udp, IPv6", udp6),
    Way("udp, IPv4-mapped", udp_mapped),
    Way("udp, non-blocking", udp_nonblocking),
    Way("udp after connect() to AF_UNSPEC", udp_dissolved),
    Way("udp, connected to one place, sent to another", udp_connected_elsewhere),
    Way("udp-lite", udplite, everywhere=False),
    Way("sendmmsg", program("sendmmsg")),
    Way("sendmmsg, every other message to an allowed place",
        program("sendmmsg-alternating")),
    Way("sendfile after a refused connect()", sendfile),
    Way("sendfile after a non-blocking connect()", sendfile_nonblocking),
    Way("splice after a refused connect()", splice),
    Way("splice after a non-blocking connect()", splice_nonblocking),
    Way("IPv6 routing header, type 2", rthdr2),
    Way("IPv6 routing header, segments", rthdr4, everywhere=False),
    Way("IPv6 routing header in a message", rthdr2_in_message),
    Way("IPv6 routing header on an open connection", rthdr2_connected),
    Way("IPv4 source route", source_route, root=True),
    Way("IPv4 source route on an open connection", source_route_connected,
        root=True),
    Way("raw IPv4, header of its own", raw_header, root=True),
    Way("raw IPv4, forged source", raw_forged_source, root=True),
    Way("raw IPv4, forged protocol", raw_forged_protocol, root=True),
    Way("raw IPv4, call and header disagree", raw_forged_destination, root=True),
    Way("raw IPv6", raw6, root=True),
    Way("raw IPv6, header of its own", raw6_header, root=True),
    Way("raw ICMP", raw_icmp, root=True),
    Way("SO_MARK and SO_BINDTODEVICE", marked_and_bound, root=True),
    Way("TCP_REPAIR", repaired, root=True, mark=PORT),
    Way("TCP_REPAIR, non-blocking", repaired_nonblocking, root=True, mark=PORT),
    Way("tcp, non-blocking", tcp_nonblocking, mark=PORT),
    Way("tcp fast open", fastopen, mark=PORT),
    Way("SMC", smc, mark=PORT, everywhere=False),
    Way("SMC as a protocol of IPv4", smc_inet, mark=PORT, everywhere=False),
    Way("io_uring connect", program("uring-connect"), mark=PORT),
    Way("io_uring connect, IOSQE_ASYNC", program("uring-connect-worker"), mark=PORT),
    Way("io_uring connect, SQPOLL", program("uring-connect-poller"), mark=PORT),
    Way("io_uring sendmsg", program("uring-sendmsg")),
    Way("io_uring sendmsg, IOSQE_ASYNC", program("uring-sendmsg-worker")),
    Way("io_uring sendmsg, SQPOLL", program("uring-sendmsg-poller")),
    Way("io_uring send", program("uring-send")),
    Way("io_uring send, IOSQE_ASYNC", program("uring-send-worker")),
    Way("io_uring send, SQPOLL", program("uring-send-poller")),
    Way("two threads connect one TCP socket", program("threads-tcp"), mark=PORT),
    Way("two threads connect one UDP socket", program("threads-udp")),
    Way("setns to another namespace, udp", namespace_udp, root=True),
    Way("setns to another namespace, connected udp", namespace_connected, root=True),
    Way("setns to another namespace, tcp", namespace_tcp, root=True, mark=PORT),
    Way("setns away from the socket's namespace", namespace_left, root=True),
    Way("in a container, udp", container_udp, root=True),
    Way("in a container, tcp", container_tcp, root=True, mark=PORT),
    Way("in a container, raw IPv4", container_raw, root=True),
]


def sh(command):
    subprocess.run(command, shell=True, check=True)


def start_container():
    """Made by a user who is nobody; returns a process that is in it."""
    inside = subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid",
         "--fork", "--kill-child", "sh", "-c", "echo; exec sleep infinity"],
        stdout=subprocess.PIPE, user=NOBODY, group=NOBODY)
    inside.stdout.read(1)
    children = f"/proc/{inside.pid}/task/{inside.pid}/children"
    with open(children, encoding="ascii") as f:
        return int(f.read())


def furnish_namespace(entry, cable, net, there4):
    """A cable from here into a namespace, whose every packet comes out here."""
    sh(f"""ip link add {cable} type veth peer name {cable}in
        ip link set {cable}in netns {entry}
        ip link set {cable} up""")
    enter_net = f"nsenter --net=/proc/{entry}/ns/net" if entry.isdigit() else \
        f"ip netns exec {entry}"
    sh(f"""ip addr add {net}.1/24 dev {cable}
        {enter_net} ip link set lo up
        {enter_net} ip addr add {net}.2/24 dev {cable}in
        {enter_net} ip link set {cable}in up
        {enter_net} ip route add {there4} via {net}.1""")


def furnish_namespaces():
    """Returns the cables."""
    sh(f"ip netns add {NAMESPACE}")
    furnish_namespace(NAMESPACE, "way2", "10.9.10", at.there4)
    at.container = start_container()
    furnish_namespace(str(at.container), "way3", "10.9.11", at.there4)
    return "way2", "way3"


def met(way):
    """The errno that it met, 0 if none."""
    try:
        way()
    except OSError as e:
        return e.errno
    return 0


def attempt(way, mark_of=None, times=1):
    """In a process of its own; returns the errno that it met the last time."""
    pid = os.fork()
    if not pid:
        error = 255
        try:
            if not way.root:
                os.setuid(NOBODY)
            for n in range(times):
                if mark_of:
                    at.port, at.payload = mark_of(n)
                error = met(way.attempt)
        finally:
            os._exit(error)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def marks(way):
    """The bytes that give a packet of its last attempt away."""
    return at.payload if way.mark == PAYLOAD else struct.pack(">H", at.port)


PORTS = 10


def ports_of(number, first):
    """Ten for each way: some questions are new, some answers are known."""
    return range(first + PORTS * number, first + PORTS * (number + 1))


def text_of(number, first):
    return b"way %d of %d." % (number, first)


def marks_of(number, first):
    ports = ports_of(number, first)
    return lambda n: (ports[n % PORTS], text_of(number, first))


def serve():
    global at
    *place, container = sys.argv[1:]
    at = Place(*place, int(container))
    for line in sys.stdin:
        number, first, times = map(int, line.split())
        print(attempt(WAYS[number], marks_of(number, first), times), flush=True)


if __name__ == "__main__":
    serve()
