/** Certificates and limits of one TLS connection or listener; all PEM. */
export interface TlsChoice {
  readonly cert?: string;
  readonly key?: string;
  readonly ca: string;
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3';
}

/** What the driver in a pod can be asked; `socket` is a number the asker has chosen. */
export type DriverOperation =
  | {
      readonly operation: 'connect';
      readonly socket: number;
      readonly host: string;
      readonly port: number;
      /** Said at once, before anybody can answer. */
      readonly say: string;
    }
  | { readonly operation: 'listen'; readonly port: number; readonly tls?: TlsChoice }
  | { readonly operation: 'unlisten'; readonly port: number }
  /** Text as it is. */
  | { readonly operation: 'write'; readonly socket: number; readonly text: string }
  /** That many bytes of a pattern, as fast as they are taken. */
  | { readonly operation: 'send'; readonly socket: number; readonly bytes: number }
  /** Reads `bytes` bytes, or to the end. Nothing is read from a socket before it is asked for. */
  | { readonly operation: 'read'; readonly socket: number; readonly bytes?: number }
  | { readonly operation: 'end' | 'reset'; readonly socket: number }
  | {
      readonly operation: 'request';
      readonly host: string;
      readonly port: number;
      readonly tls: TlsChoice;
      readonly headers: Readonly<Record<string, string>>;
    };

/** Where a connection is, as `ADDRESS:PORT`. */
export interface Connected {
  readonly local: string;
}

/** What was sent. */
export interface Sent {
  readonly sha256: string;
}

/** What was read. */
export interface Received {
  readonly bytes: number;
  readonly sha256: string;
  /** Latin-1, the first 4096 bytes. */
  readonly text: string;
  /** `fin`, or the code of the error (`ECONNRESET`) that ended the connection; absent while it goes on. */
  readonly end?: string;
}

/** How an HTTP/2 request ended. */
export interface Answered {
  readonly status?: number;
  /** Code of an error before there was a status. */
  readonly error?: string;
}

/** A request, one JSON object a line. */
export type DriverRequest = DriverOperation & { readonly id: number };

/** An answer, one JSON object a line. */
export type DriverAnswer<Result> =
  | { readonly id: number; readonly result: Result }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } };
