import { constants } from 'node:os';
import { closeDescriptor } from './descriptors.ts';
import { AF_NETLINK, MSG_DONTWAIT, NETLINK_ROUTE, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW } from './kernel-constants.ts';
import { IFINFOMSG, NLMSGERR, NLMSGHDR } from './kernel-structs.ts';
import { checked, native, systemCallError } from './native.ts';
import { NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, RTM_SETLINK } from './rtnetlink/core/netlink-constants.ts';

/** `LOOPBACK_IFINDEX`: `lo` has this index in every namespace. */
const LOOPBACK_INDEX = 1;
/** More than the answer, an error message with the request's header. */
const ANSWER_BYTES = 256;

const { EPROTO } = constants.errno;

/**
 * Asks to change a link without naming a change: the kernel checks the privilege and does nothing.
 * @throws {NetnsError} `NETNS_PERMISSION` (CAP_NET_ADMIN), `NETNS_SYSTEM_CALL`, `NETNS_UNSUPPORTED`.
 */
export function probeNetlinkWrite(): void {
  const c = native();
  const about = { operation: 'socket NETLINK_ROUTE' };
  const fd = checked(c.socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE), about);
  try {
    const request = Buffer.alloc(NLMSGHDR.size + IFINFOMSG.size);
    request.writeUInt32LE(request.length, NLMSGHDR.length);
    request.writeUInt16LE(RTM_SETLINK, NLMSGHDR.type);
    request.writeUInt16LE(NLM_F_REQUEST | NLM_F_ACK, NLMSGHDR.flags);
    request.writeInt32LE(LOOPBACK_INDEX, NLMSGHDR.size + IFINFOMSG.index);
    checked(c.send(fd, request, request.length, 0), { operation: 'send RTM_SETLINK' });
    // The kernel has answered before send returns.
    const answer = Buffer.alloc(ANSWER_BYTES);
    checked(c.recv(fd, answer, answer.length, MSG_DONTWAIT), { operation: 'receive the answer to RTM_SETLINK' });
    const isAnswer = answer.readUInt16LE(NLMSGHDR.type) === NLMSG_ERROR;
    const errno = isAnswer ? -answer.readInt32LE(NLMSGHDR.size + NLMSGERR.error) : EPROTO;
    if (errno !== 0) throw systemCallError({ operation: 'RTM_SETLINK', remedy: 'needs CAP_NET_ADMIN' }, errno);
  } finally {
    closeDescriptor(fd);
  }
}
