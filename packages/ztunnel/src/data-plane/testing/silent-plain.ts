import type { Plain, PlainHandler, SocketAddress } from '@ambientmesh/hbone';

/** A socket without a kernel, for tests with more of them than there are descriptors: nothing ever comes from its peer. */
export class SilentPlain implements Plain {
  handler: PlainHandler = { readable: () => undefined, written: () => undefined, failed: () => undefined };
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** Of another socket, where one is asked of the kernel. */
  readonly descriptor: number;
  readonly queued = 0;
  /** How it was given up, by the first call that did. */
  ended: 'closed' | 'reset' | undefined;

  constructor(remoteIp = '127.0.0.1', descriptor = -1) {
    this.descriptor = descriptor;
    this.local = { ip: '127.0.0.1', port: 8080 };
    this.remote = { ip: remoteIp, port: 1 };
  }

  read(): number {
    return 0;
  }

  write(): void {}

  end(): void {}

  close(): void {
    this.ended ??= 'closed';
  }

  reset(): void {
    this.ended ??= 'reset';
  }
}
