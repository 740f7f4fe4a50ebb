// The terminal, composed: who it is, what it keeps, what it sends, what it hears, what it shows.

import { Calls } from "./calls.js";
import * as enrolment from "./enrolment.js";
import { Forwarder } from "./forward.js";
import { Gateway } from "./gateway.js";
import { Line } from "./line.js";
import * as queue from "./queue.js";
import { review } from "./review.js";
import { Screen } from "./screen.js";
import { lookAfter } from "./update.js";
import { Voice } from "./voice.js";

const ROOM = 30_000; // how often a tablet that could keep nothing looks whether it can
const ANSWERED = "answered"; // the last call that was answered, beyond a restart

// What is wrong and what to do, the worst first.
const NOTICES = {
  insecure: ["本页需要安全连接", "请管理员用 https 地址打开本页。"],
  full: ["暂时不能接收评价", "本机现在无法保存评价，\n刚才如有填写，没有记录下来。\n请扫窗口二维码评价，或告诉工作人员。"],
  unknown: ["此评价器尚未登记", "请管理员用 hcp device add 生成登记链接，在本机打开。"],
  refused: ["此评价器的登记无效", "请管理员重新登记。\n已保存的评价不会丢失。"],
  unproven: ["正在核对登记", "首次使用需要联网。"],
};

const windowCode = decodeURIComponent(location.pathname.split("/").at(-1));
const line = new Line(document);
const screen = new Screen(document, new Voice(document.querySelector("#voice")), submit);
const wrong = new Set(); // the notices that hold now
let device;
let forwarder;

function tell(name, holds) {
  if (holds) wrong.add(name);
  else wrong.delete(name);
  const worst = Object.keys(NOTICES).find((notice) => wrong.has(notice));
  if (worst) screen.notice(...NOTICES[worst]);
  else if (screen.view === "notice" || screen.view === "starting") screen.show("idle");
}

async function start() {
  line.place(windowCode);
  if (!isSecureContext) return tell("insecure", true);
  try {
    await enrolment.taken(location, history);
    device = await enrolment.current();
    if (device) await queue.check();
  } catch (error) {
    return error instanceof enrolment.Unfit ? screen.notice("登记没有完成", error.message) : outOfRoom();
  }
  if (!device) return tell("unknown", true);
  tell("unproven", !device.profile);
  return begin();
}

function begin() {
  const gateway = new Gateway(device, () => line.clockIsWrong());
  const calls = new Calls(gateway, windowCode, heard, linked);
  forwarder = new Forwarder(gateway, `/terminal/${device.id}`, showCounts);
  addEventListener("online", () => {
    calls.wake();
    forwarder.wake();
  });
  addEventListener("offline", () => calls.drop());
  line.place(device.profile?.name || windowCode);
  line.net("starting");
  showCounts();
  calls.listen();
  forwarder.run();
}

async function submit(invitation, said) {
  const { channel, hall_code } = device.profile;
  const place = { channel, device_id: device.id, hall_code, window_code: windowCode };
  try {
    await queue.append(review(place, invitation, said));
  } catch (error) {
    outOfRoom();
    throw error;
  }
  if (invitation) localStorage.setItem(ANSWERED, invitation.call_id);
  showCounts();
  forwarder.wake();
}

// Say that nothing can be kept, until something can.
function outOfRoom() {
  if (wrong.has("full")) return;
  tell("full", true);
  setInterval(() => queue.check().then(() => location.reload(), () => {}), ROOM);
}

function heard(name, data) {
  if (name === "terminal") introduced(data);
  else if (data.call_id !== localStorage.getItem(ANSWERED)) screen.call(data);
}

function introduced(profile) {
  device = { ...device, profile };
  line.place(profile.name || windowCode);
  tell("unproven", false);
  enrolment.introduced(profile).catch(outOfRoom);
}

function linked(state) {
  line.net(state);
  if (state !== "offline") tell("refused", state === "refused");
  if (state === "connected") forwarder.wake();
}

function showCounts() {
  return queue.counts().then((counts) => line.counts(counts), outOfRoom);
}

await start();
if (isSecureContext) {
  navigator.storage.persist();
  lookAfter(() => screen.view === "idle" || screen.view === "notice");
}
