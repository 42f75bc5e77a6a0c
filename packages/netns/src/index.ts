export { type BindInOptions, bindIn } from './bind-in.ts';
export { type ConnectInOptions, connectIn } from './connect-in.ts';
export { closeDescriptor, duplicate, type FileLimit, raiseFileLimit } from './descriptors.ts';
export { NetnsError, type NetnsErrorCode, type NetnsErrorDetails } from './errors.ts';
export { type ListenInOptions, type ListeningServer, listenIn } from './listen-in.ts';
export { type ListeningSocket, type ListenOptions, listenTcp } from './listening-socket.ts';
export type { ReceivedPacket } from './message-packet.ts';
export { Namespace, type NamespaceId } from './namespace.ts';
export { originalDestination } from './original-destination.ts';
export { type OpenTcpOptions, type OutgoingSocket, openTcp } from './outgoing-socket.ts';
export { type CaptureOptions, capturePackets } from './packet-capture.ts';
export { type Feature, type FeatureSupport, probe } from './probe.ts';
export type { InterfaceAddress, NewAddress } from './rtnetlink/core/address.ts';
export type { IpFamily } from './rtnetlink/core/ip-prefix.ts';
export type { Link, LinkPeer, LinkSettings } from './rtnetlink/core/link.ts';
export type { Scope } from './rtnetlink/core/named-number.ts';
export type { NewPolicyRule, PolicyRule, RuleAction, RuleMark } from './rtnetlink/core/policy-rule.ts';
export type { NewRoute, NextHop, Route, RouteFilter, RouteType } from './rtnetlink/core/route.ts';
export { type LinkChange, type NewLink, RouteSocket, type VethPeer } from './rtnetlink/route-socket.ts';
export { connectSeqpacket, type ReceiveOptions, type SeqpacketConnection } from './seqpacket-connection.ts';
export { listenSeqpacket, type SeqpacketServer } from './seqpacket-server.ts';
export { canonicalIp, type SocketAddress } from './socket-address.ts';
export { descriptorOf } from './socket-descriptor.ts';
export {
  bindToDevice,
  type KeepAlive,
  readKeepAlive,
  readMark,
  readNoDelay,
  readReusePort,
  readTransparent,
  readUserTimeout,
  setKeepAlive,
  setMark,
  setNoDelay,
  setUserTimeout,
} from './socket-options.ts';
export { spawnIn } from './spawn.ts';
export { type TakeOptions, TcpStock, type TcpStockOptions } from './tcp-stock.ts';
export {
  type BoundUdpSocket,
  type ListenUdpOptions,
  listenUdp,
  type OpenUdpOptions,
  openUdp,
  restrictAddressReuse,
} from './udp.ts';
