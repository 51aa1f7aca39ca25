// The customer's phone. Everything that a person wrote is shown with textContent.

import { count } from "./segments.js";

const DEFAULT_CUSTOMER = "+15550109999";
const MAX_CHARACTERS = 1600;
const PICTURE = { content_type: "image/png", url: `${location.origin}/static/picture.png` };
const NEW_TIME_AFTER_MS = 10 * 60_000;
const PATIENCE_MS = 60_000;

const STATES = {
  queued: "Queued",
  sending: "Sending",
  sent: "Sent",
  delivered: "Delivered",
  undelivered: "Not delivered",
  failed: "Failed",
};

const $ = (id) => document.getElementById(id);
const [line, customer, business, conversation, log, empty, waiting, note, text, counter] = [
  "line", "customer", "business", "conversation", "log", "empty", "waiting", "note", "text",
  "counter",
].map($);

// What is on the screen: messages by SID in the order they came, and their elements.
let shown = new Map();
// Whose phone this is; the input may hold something half typed.
let me = "";
let boot = null;
let stream = null;
let retry = 0;
let patience = 0;
// Whoever reads further up is left there; whoever is at the end stays at the end.
let atEnd = true;

// ---- who talks to whom

function remember(name, value) {
  try {
    localStorage.setItem(`phone.${name}`, value);
  } catch {
    // Private windows may refuse; then it is forgotten with the page.
  }
}

function remembered(name) {
  try {
    return localStorage.getItem(`phone.${name}`) ?? "";
  } catch {
    return "";
  }
}

const plain = (number) => number.replace(/[\s().-]/g, "");
const isNumber = (number) => /^(\+[1-9]\d{6,14}|\d{5,6})$/.test(number);

function changeCustomer() {
  const number = plain(customer.value);
  const good = isNumber(number);
  customer.setAttribute("aria-invalid", String(!good));
  tell(good ? "" : `A number looks like ${DEFAULT_CUSTOMER}.`);
  if (!good) return false;
  customer.value = number;
  if (number === me) return true;
  me = number;
  remember("customer", number);
  startOver();
  return true;
}

function startOver() {
  log.replaceChildren();
  shown = new Map();
  boot = null;
  connect();
  settle();
}

// ---- the live line

function connect() {
  clearTimeout(retry);
  stream?.close();
  setLine("waiting", "Connecting");
  stream = new EventSource(`/phone/events?customer=${encodeURIComponent(me)}`);
  stream.addEventListener("open", () => {
    setLine("open", "Connected");
    document.dispatchEvent(new Event("phone:connected"));
  });
  stream.addEventListener("snapshot", (event) => showSnapshot(JSON.parse(event.data)));
  stream.addEventListener("message", (event) => showNews([JSON.parse(event.data)]));
  stream.addEventListener("error", () => {
    setLine("lost", "Reconnecting");
    // The browser tries again by itself after a cut, but not after an error page.
    if (stream.readyState === EventSource.CLOSED) retry = setTimeout(connect, 1500);
  });
}

function setLine(state, words) {
  if (line.dataset.state === state) return;
  line.dataset.state = state;
  line.textContent = words;
}

function showSnapshot(snapshot) {
  if (boot !== null && boot !== snapshot.boot && shown.size > 0) {
    log.append(divider("The pretend Twilio was restarted and has forgotten the texts above"));
    shown = new Map();
  }
  boot = snapshot.boot;
  showNews(snapshot.messages);
}

function showNews(messages) {
  const here = messages.filter((m) => m.from === business.value || m.to === business.value);
  const wasAtEnd = atEnd;
  here.forEach(show);
  settle();
  if (wasAtEnd || here.some((m) => m.direction === "inbound" && m.answer === null)) toEnd();
}

function toEnd() {
  conversation.scrollTop = conversation.scrollHeight;
  atEnd = true;
}

function noteWhetherAtEnd() {
  const { scrollHeight, scrollTop, clientHeight } = conversation;
  atEnd = scrollHeight - scrollTop - clientHeight < 80;
}

// ---- bubbles

function show(message) {
  const known = shown.get(message.sid);
  const element = known?.element ?? newBubble(message);
  shown.set(message.sid, { message, element });
  element.dataset.status = message.direction === "inbound" ? fateOf(message) : message.status;
  const [state, size] = metaOf(message);
  write(element.querySelector(".state"), state);
  write(element.querySelector(".size"), size);
  write(element.querySelector(".trouble"), message.trouble.map((t) => ` · ${t}`).join(""));
}

function newBubble(message) {
  const before = [...shown.values()].at(-1)?.message;
  const gap = before ? Date.parse(message.at) - Date.parse(before.at) : Infinity;
  if (gap > NEW_TIME_AFTER_MS) log.append(divider(timeOf(message.at)));
  const element = make("article", `text ${message.direction}`);
  if (gap <= NEW_TIME_AFTER_MS && before.direction === message.direction) {
    element.classList.add("follows");
  }
  element.dataset.sid = message.sid;
  const who = message.direction === "inbound" ? "You" : message.automatic ? "Twilio" : "The business";
  const bubble = make("div", "bubble");
  bubble.append(make("span", "hidden", `${who}: `), ...message.media.map(picture));
  if (message.body) bubble.append(make("p", "body", message.body));
  // Each step of a delivery read aloud would drown the conversation.
  const meta = make("p", "meta");
  meta.setAttribute("aria-live", "off");
  meta.append(make("span", "state"), make("span", "size"), make("span", "trouble"));
  element.append(bubble, meta);
  log.append(element);
  return element;
}

function picture(media) {
  // Only our own: a stranger's address must not make the page call it.
  if (!media.url.startsWith(`${location.origin}/static/`)) {
    return make("p", "attachment", `Attachment (${media.content_type || "media"})`);
  }
  const image = make("img", "picture");
  [image.src, image.alt, image.width, image.height] = [media.url, "A picture", 240, 180];
  return image;
}

function divider(words) {
  return make("p", "divider", words);
}

function make(tag, className, words = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = words;
  return element;
}

function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function timeOf(at) {
  const date = new Date(at);
  const time = date.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? `Today ${time}` : `${date.toLocaleDateString()} ${time}`;
}

function fateOf(message) {
  if (message.answer === null) return "posting";
  return message.answer.taken ? "taken" : "refused";
}

function metaOf(message) {
  return message.direction === "inbound" ? takenMeta(message) : deliveryMeta(message);
}

function takenMeta({ answer }) {
  if (answer === null) return ["Sending", ""];
  return [answer.taken ? "Taken by the business" : capital(answer.words), ""];
}

function deliveryMeta(message) {
  const state = STATES[message.status] ?? message.status;
  const why = message.error ? `: ${message.error.words} (${message.error.code})` : "";
  const size = message.encoding === "MMS"
    ? "MMS"
    : `${plural(message.segments, "segment")} · ${message.encoding}`;
  const whose = message.automatic ? "Twilio’s own answer · " : "";
  return [`${whose}${state}${why}`, ` · ${size}`];
}

const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);
const plural = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

// ---- waiting, and the empty page

function settle() {
  empty.hidden = log.childElementCount > 0 || boot === null;
  clearTimeout(patience);
  const last = [...shown.values()].at(-1)?.message;
  const expects = last?.direction === "inbound" && last.answer?.taken;
  waiting.hidden = !expects;
  if (!expects) return;
  const left = Date.parse(last.at) + PATIENCE_MS - Date.now();
  waiting.classList.toggle("late", left <= 0);
  $("waiting-words").textContent = left > 0 ? "Waiting for the answer" : "No answer yet";
  if (left > 0) patience = setTimeout(settle, left + 50);
}

// ---- writing

async function send(body, media = []) {
  if (!changeCustomer()) {
    customer.focus();
    return false;
  }
  const told = { from: me, to: business.value, body, media };
  try {
    const response = await fetch("/phone/texts", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(told),
    });
    const answer = await response.json();
    tell(response.ok ? notTaken(answer) : `Not sent: ${answer.error ?? response.status}.`);
    return response.ok;
  } catch {
    tell("Not sent: the pretend Twilio does not answer. Is it running?");
    return false;
  }
}

const notTaken = ({ answer }) => (answer.taken ? "" : `${capital(answer.words)}.`);

async function sendText() {
  const body = text.value;
  if (!body.trim()) return;
  if (body.length > MAX_CHARACTERS) {
    tell(`A text has at most ${MAX_CHARACTERS} characters; this one has ${body.length}.`);
    return;
  }
  setText("");
  const gone = await send(body);
  if (!gone && !text.value) setText(body);
}

function setText(words) {
  text.value = words;
  measureText();
}

function measureText() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`;
  const { encoding, units, segments, room } = count(text.value);
  const tooLong = text.value.length > MAX_CHARACTERS;
  counter.classList.toggle("over", tooLong);
  counter.textContent = text.value
    ? `${units} of ${room} · ${plural(segments, "segment")} · ${encoding}` +
      (tooLong ? ` · over ${MAX_CHARACTERS} characters` : "")
    : "Enter sends, Shift+Enter begins a new line";
}

function tell(words) {
  note.textContent = words;
}

// ---- wiring

$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  sendText();
});
text.addEventListener("input", measureText);
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendText();
});
$("picture").addEventListener("click", () => send("", [PICTURE]));
$("identity").addEventListener("submit", (event) => {
  event.preventDefault();
  if (changeCustomer()) text.focus();
});
customer.addEventListener("change", changeCustomer);
business.addEventListener("change", () => {
  remember("business", business.value);
  startOver();
});
conversation.addEventListener("scroll", noteWhetherAtEnd, { passive: true });
new ResizeObserver(() => atEnd && toEnd()).observe(conversation); // a keyboard opens, a line wraps
// A page kept for the back button holds no connection open.
addEventListener("pagehide", () => stream?.close());
addEventListener("pageshow", (event) => event.persisted && connect());

me = remembered("customer") || DEFAULT_CUSTOMER;
customer.value = me;
if ([...(business.options ?? [])].some((option) => option.value === remembered("business"))) {
  business.value = remembered("business");
}
measureText();
startOver();
text.focus();
