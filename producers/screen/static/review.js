// What was touched → a review of the contract, without its place in the chain.

import { uuid7 } from "./bytes.js";

const OF_THE_CASE = ["case_no", "service_no", "dept_code", "item_code", "staff_id"];

// `place`: {device_id, window_code, hall_code, channel}; `invitation`: what the window's system said, if it called.
export function review(place, invitation, { level, reasons, comment }) {
  const known = Object.entries({ ...place, ...chosen(invitation) }).filter(([, value]) => value);
  return {
    event_id: uuid7(),
    satisfaction: level,
    submitted_at: new Date().toISOString(),
    ...Object.fromEntries(known),
    ...(reasons.length && { reason_codes: reasons }),
    ...(comment && { comment }),
  };
}

function chosen(invitation) {
  return Object.fromEntries(OF_THE_CASE.map((name) => [name, invitation?.[name]]));
}
