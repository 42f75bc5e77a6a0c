/** A data thread of the node proxy: without the control plane, which it would load for nothing. */
import { runDataThread } from '@ambientmesh/ztunnel/data-thread';

runDataThread();
