/** Bytes queued before the owner is asked to stop; measured best with node:tls (data-path.md). */
export const QUEUE_LIMIT_BYTES = 1_048_576;

/** The owner may go on when this much has left: early enough to keep the socket busy. */
export const RESUME_ROOM_BYTES = QUEUE_LIMIT_BYTES / 2;

/** A connection that brought this much rests until the end of the turn, so that the others have theirs. */
export const TURN_BYTES = 524_288;
