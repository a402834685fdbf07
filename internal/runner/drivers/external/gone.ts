/** A driver's process ended, or was ended, before it answered. */
export class DriverGone extends Error {}
