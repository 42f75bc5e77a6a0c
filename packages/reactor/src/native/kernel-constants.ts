/* Numbers of Linux that are the same on x86-64 and arm64 (asm-generic). */

export const AF_INET = 2;
export const AF_INET6 = 10;

export const SOCK_STREAM = 1;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x8_0000;

export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;

export const SHUT_WR = 1;
export const MSG_PEEK = 0x2;

export const EPOLL_CLOEXEC = 0x8_0000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x1;
/** Urgent data, at which the kernel ends a read. */
export const EPOLLPRI = 0x2;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
/** The peer has ended its side; with edges it is the only event of a FIN behind the last bytes. */
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 0x8000_0000;

/** Of pipe2(2), too. */
export const O_NONBLOCK = 0x800;
export const O_CLOEXEC = 0x8_0000;

export const EFD_NONBLOCK = 0x800;
export const EFD_CLOEXEC = 0x8_0000;

export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_PRIVATE = 0x2;
export const MAP_ANONYMOUS = 0x20;
/** Pages cost nothing, not even a reservation, before they are touched. */
export const MAP_NORESERVE = 0x4000;
export const MADV_DONTNEED = 4;
/** Without it, one touched byte may cost 2 MiB, and pages that were given back may come back by themselves. */
export const MADV_NOHUGEPAGE = 15;

/** errno values that are looked at; system calls answer them negated. */
export const EINTR = 4;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const ENFILE = 23;
export const EMFILE = 24;
export const EPIPE = 32;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const ENOTCONN = 107;
export const EINPROGRESS = 115;
