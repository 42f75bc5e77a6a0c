export { type Capabilities, probeCapabilities } from './capabilities.ts';
export { closeDescriptor, duplicate, type FileLimit, raiseFileLimit } from './descriptors.ts';
export { NetnsError, type NetnsErrorCode, type NetnsErrorDetails } from './errors.ts';
export { type ListeningSocket, type ListenOptions, listenTcp } from './listening-socket.ts';
export type { ReceivedPacket } from './message-packet.ts';
export { Namespace, type NamespaceId } from './namespace.ts';
export { originalDestination } from './original-destination.ts';
export { type OpenTcpOptions, type OutgoingSocket, openTcp } from './outgoing-socket.ts';
export { type CaptureOptions, capturePackets } from './packet-capture.ts';
export { connectSeqpacket, type ReceiveOptions, SeqpacketConnection } from './seqpacket-connection.ts';
export { listenSeqpacket, SeqpacketServer } from './seqpacket-server.ts';
export { canonicalIp, type SocketAddress } from './socket-address.ts';
export { descriptorOf } from './socket-descriptor.ts';
export {
  type KeepAlive,
  readKeepAlive,
  readMark,
  readReusePort,
  readTransparent,
  setKeepAlive,
  setMark,
  setNoDelay,
  setUserTimeout,
} from './socket-options.ts';
export { spawnIn } from './spawn.ts';
export {
  type BoundUdpSocket,
  type ListenUdpOptions,
  listenUdp,
  type OpenUdpOptions,
  openUdp,
  restrictAddressReuse,
} from './udp.ts';
