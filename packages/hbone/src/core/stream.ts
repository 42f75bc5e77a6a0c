/** No `content-length`, or none that means anything: a tunnel has none. RFC 9110 9.3.6 */
export const CONTENT_UNKNOWN = -1;

/** What a connection knows about one stream. Idle streams have no object; a closed one only while it owes credit. */
export class Stream {
  readonly id: number;
  /** The request was a CONNECT: nothing but DATA follows the header blocks. RFC 9113 8.5 */
  readonly connect: boolean;
  /** Octets the peer takes from us; negative after it made its windows smaller. RFC 9113 6.9.2 */
  sendWindow: number;
  /** Octets the peer may still send. */
  receiveWindow: number;
  /** Octets passed to the user that it has not credited. */
  undelivered = 0;
  /** Octets credited that no WINDOW_UPDATE has told the peer of. */
  owed = 0;
  /** END_STREAM was sent. */
  localEnded = false;
  /** END_STREAM came. */
  remoteEnded = false;
  /** The final header block of the response was sent (server) or came (client). */
  answered = false;
  /** Client: the response was 2xx, so that the stream is a tunnel. RFC 9113 8.5 */
  established = false;
  /** Both sides ended: no longer counted as open. */
  closed = false;
  /** Octets of content that are still to come, if `content-length` says so; else CONTENT_UNKNOWN. */
  contentLeft = CONTENT_UNKNOWN;
  /** Forgotten: events and bytes for it are void. */
  gone = false;

  constructor(id: number, connect: boolean, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.connect = connect;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  /** Notes content of a stream with a `contentLeft`; false if it is not what was announced. */
  takeContent(bytes: number, last: boolean): boolean {
    this.contentLeft -= bytes;
    return last ? this.contentLeft === 0 : this.contentLeft >= 0;
  }
}
