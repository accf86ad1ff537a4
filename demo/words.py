"""The words of the demo, in English and Russian: switches, the page, and what the two say to each other."""

from __future__ import annotations

import locale
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SwitchWords:
    title: str
    does: str
    """What happens on this computer when it is on."""
    where: str
    """What it is in the world."""


@dataclass(frozen=True, slots=True)
class Words:
    page: dict[str, str]
    switches: dict[str, SwitchWords]
    lines: tuple[str, ...]


_EN: Final = Words(
    page={
        "title": "Whimbrel: break the network",
        "lead": "Two people talk, each a message a second, or fewer while many wait. Take their network apart with the switches below: the messages keep arriving, "
        "and the way that each of them takes lights up.",
        "real": "Relay, bridges, apps and pages are the real programs. Only the network between them is small: a censor on this computer, "
        "which does what the switches say. Nothing leaves the computer.",
        "page_of": "{name}'s page",
        "map": "The ways between them",
        "border": "{name}'s provider",
        "relay": "Relay",
        "relay_by": "Relay, {number}. address",
        "bridge": "Bridge",
        "resolver": "Resolver",
        "goes_by": "{name}: by {place}",
        "goes_nowhere": "{name}: looking for a way",
        "ordinary": "An ordinary program: {outcome}",
        "ok": "gets through, in {took} s",
        "no-name": "finds no such name",
        "refused": "finds nothing at the address that it was told",
        "not-let-through": "its connection does not come up",
        "silent-here": "gets no answer",
        "torn": "is torn down",
        "frozen": "freezes in the middle",
        "short": "a fresh connection for each letter",
        "letters": "by single letters",
        "unnamed": "shows no name",
        "frag": "the hello in two pieces",
        "system": "with another hello",
        "written": "written",
        "arrived": "arrived",
        "waits": "on the way",
        "lost": "lost",
        "doubled": "doubled",
        "oldest": "longest wait now",
        "seconds": "{count} s",
        "talk": "Let them talk",
        "cut": "Cut what is open",
        "cut_does": "Every connection to relay and bridges that is open now goes silent, for ever and without a word.",
        "lift": "Lift everything",
        "switches": "What the censor does",
        "source": "source",
        "measure": "measure {name} of the lab",
        "events": "At the border",
        "no_events": "Nothing yet.",
        "asked": "{name} asks for {place}: {found}",
        "no_such": "no such name",
        "tried": "{name} → {place}: tries",
        "up": "{name} → {place}: up",
        "lost_packet": "{name} → {place}: not let through",
        "reset": "{name} → {place}: reset",
        "silent": "{name} → {place}: goes silent",
        "gone": "The demo has ended. `make demo` starts it again.",
        "closed": "This page is opened by the link on the terminal.",
        "wait": "Loading …",
    },
    switches={
        "names": SwitchWords(
            "Names removed",
            "The provider's resolver says that the relay's name does not exist. The two apps know its addresses and ask nobody.",
            "Russia's national resolvers, since February 2026 for WhatsApp, YouTube and others.",
        ),
        "forged": SwitchWords(
            "False answers",
            "The provider's resolver answers 10.10.34.34, where nothing is.",
            "Iran's filter, for millions of names.",
        ),
        "resolvers": SwitchWords(
            "Foreign resolvers closed",
            "Names are removed, the best-known public resolver is not let through, and others are reset by their names.",
            "Russia, Iran and Turkmenistan, against who asks elsewhere.",
        ),
        "reset": SwitchWords(
            "Reset by name",
            "A connection that shows the relay's name is torn down at once.",
            "Russia's filter boxes, for most blocked web sites.",
        ),
        "silence": SwitchWords(
            "Silence by name",
            "A connection that shows the relay's name goes silent after a few packets.",
            "Russia's filter boxes, for names that matter to them; nobody is told that it ended.",
        ),
        "throttle": SwitchWords(
            "Throttled",
            "All that goes to relay and bridges shares 140 kbit/s each way.",
            "Russia: Twitter in 2021, YouTube in 2024, Telegram in 2026.",
        ),
        "lottery": SwitchWords(
            "One connection in five",
            "Of the packets that open a connection to the relay, four in five are lost.",
            "Russia in 2026: requests of messengers fail for the most part.",
        ),
        "fingerprint": SwitchWords(
            "Programs known by their hello",
            "A hello that looks like a program's or an old browser's is answered, and then nothing follows.",
            "Russia and Iran: likenesses of browsers that are no browsers.",
        ),
        "addresses": SwitchWords(
            "The relay's addresses blocked",
            "Both addresses of the relay were found out: nothing goes there any more, open connections included.",
            "China and Russia look at servers, list them, and block the list within minutes.",
        ),
        "curtain": SwitchWords(
            "Frozen after 16 KB",
            "Every connection abroad freezes when 16 KB have come by it, open ones included.",
            "Russia since June 2025, for the large foreign data centres: the “16-KB curtain”.",
        ),
        "policing": SwitchWords(
            "Four connections a minute",
            "More than four hellos alike in a minute, and new ones hang for a minute.",
            "Russia since November 2025, in Siberia first.",
        ),
        "everything": SwitchWords(
            "Everything at once",
            "All that the other switches do, together. Bridges alone are left, each for a few small letters in a minute: messages come in bursts, and late.",
            "Filters differ from provider to provider; the worst has all of this.",
        ),
    },
    lines=(
        "Are you there?",
        "Yes. The ferry leaves at nine.",
        "Is the bridge open?",
        "It was this morning.",
        "I have the tickets.",
        "Bring the blue bag.",
        "The wind has turned.",
        "Then we wait for the tide.",
        "Did Cleo write?",
        "An hour ago, from the harbour.",
        "Tell her that we come.",
        "I did. She waves.",
    ),
)
_RU: Final = Words(
    page={
        "title": "Whimbrel: сломайте сеть",
        "lead": "Двое разговаривают, каждый по сообщению в секунду, или реже, пока многие ждут. Разбирайте их сеть переключателями внизу: сообщения продолжают приходить, "
        "а путь, которым идёт каждый, подсвечен.",
        "real": "Ретранслятор, мосты, приложения и страницы настоящие. Маленькая только сеть между ними: цензор на этом компьютере, который "
        "делает то, что велят переключатели. С компьютера ничего не уходит.",
        "page_of": "Страница: {name}",
        "map": "Пути между ними",
        "border": "Провайдер: {name}",
        "relay": "Ретранслятор",
        "relay_by": "Ретранслятор, {number}-й адрес",
        "bridge": "Мост",
        "resolver": "Сервер имён",
        "goes_by": "{name}: через {place}",
        "goes_nowhere": "{name}: ищет путь",
        "ordinary": "Обычная программа: {outcome}",
        "ok": "проходит, за {took} с",
        "no-name": "не находит имени",
        "refused": "по данному ей адресу ничего нет",
        "not-let-through": "её соединение не открывается",
        "silent-here": "не получает ответа",
        "torn": "её соединение рвётся",
        "frozen": "замирает на середине",
        "short": "новое соединение на каждое письмо",
        "letters": "отдельными письмами",
        "unnamed": "имя не показано",
        "frag": "приветствие в двух кусках",
        "system": "с другим приветствием",
        "written": "написано",
        "arrived": "пришло",
        "waits": "в пути",
        "lost": "потеряно",
        "doubled": "удвоено",
        "oldest": "дольше всего ждёт",
        "seconds": "{count} с",
        "talk": "Пусть говорят",
        "cut": "Оборвать открытое",
        "cut_does": "Каждое соединение с ретранслятором и мостами, открытое сейчас, умолкает навсегда и без предупреждения.",
        "lift": "Снять всё",
        "switches": "Что делает цензор",
        "source": "источник",
        "measure": "мера {name} лаборатории",
        "events": "На границе",
        "no_events": "Пока ничего.",
        "asked": "{name} спрашивает {place}: {found}",
        "no_such": "нет такого имени",
        "tried": "{name} → {place}: пробует",
        "up": "{name} → {place}: есть связь",
        "lost_packet": "{name} → {place}: не пропущено",
        "reset": "{name} → {place}: сброшено",
        "silent": "{name} → {place}: умолкло",
        "gone": "Показ окончен. `make demo` начнёт его снова.",
        "closed": "Эту страницу открывает ссылка из терминала.",
        "wait": "Загрузка …",
    },
    switches={
        "names": SwitchWords(
            "Имена удалены",
            "Сервер имён провайдера отвечает, что имени ретранслятора нет. Приложения знают его адреса и никого не спрашивают.",
            "Национальная система имён в России, с февраля 2026: WhatsApp, YouTube и другие.",
        ),
        "forged": SwitchWords(
            "Ложные ответы",
            "Сервер имён провайдера отвечает 10.10.34.34, где ничего нет.",
            "Фильтр Ирана, для миллионов имён.",
        ),
        "resolvers": SwitchWords(
            "Иностранные серверы имён закрыты",
            "Имена удалены, самый известный открытый сервер имён не пропускается, другие сбрасываются по имени.",
            "Россия, Иран и Туркмения, против тех, кто спрашивает в другом месте.",
        ),
        "reset": SwitchWords(
            "Сброс по имени",
            "Соединение, в котором видно имя ретранслятора, сразу рвётся.",
            "ТСПУ в России, для большинства закрытых сайтов.",
        ),
        "silence": SwitchWords(
            "Молчание по имени",
            "Соединение, в котором видно имя ретранслятора, умолкает после нескольких пакетов.",
            "ТСПУ в России, для важных имён; о конце никому не говорят.",
        ),
        "throttle": SwitchWords(
            "Замедление",
            "Всё, что идёт к ретранслятору и мостам, делит 140 кбит/с в каждую сторону.",
            "Россия: Twitter в 2021, YouTube в 2024, Telegram в 2026.",
        ),
        "lottery": SwitchWords(
            "Одно соединение из пяти",
            "Из пакетов, открывающих соединение с ретранслятором, теряются четыре из пяти.",
            "Россия в 2026: большинство запросов мессенджеров не проходит.",
        ),
        "fingerprint": SwitchWords(
            "Программы узнаны по приветствию",
            "На приветствие, похожее на программу или старый браузер, отвечают, а дальше ничего.",
            "Россия и Иран: подделки под браузеры.",
        ),
        "addresses": SwitchWords(
            "Адреса ретранслятора закрыты",
            "Оба адреса ретранслятора найдены: туда больше ничего не идёт, открытые соединения тоже.",
            "Китай и Россия осматривают серверы, вносят их в список и закрывают за минуты.",
        ),
        "curtain": SwitchWords(
            "Замирает после 16 КБ",
            "Каждое соединение за границу замирает, когда по нему пришло 16 КБ; открытые тоже.",
            "Россия с июня 2025, для больших иностранных дата-центров: «занавес 16 КБ».",
        ),
        "policing": SwitchWords(
            "Четыре соединения в минуту",
            "Больше четырёх одинаковых приветствий в минуту, и новые минуту висят.",
            "Россия с ноября 2025, сначала в Сибири.",
        ),
        "everything": SwitchWords(
            "Всё сразу",
            "Всё, что делают другие переключатели, вместе. Остаются одни мосты, на каждый несколько малых писем в минуту: сообщения приходят пачками и поздно.",
            "Фильтры у провайдеров разные; у худшего есть всё это.",
        ),
    },
    lines=(
        "Ты здесь?",
        "Да. Паром уходит в девять.",
        "Мост открыт?",
        "Утром был открыт.",
        "Билеты у меня.",
        "Возьми синюю сумку.",
        "Ветер переменился.",
        "Тогда ждём прилива.",
        "Клео писала?",
        "Час назад, из гавани.",
        "Скажи ей, что мы едем.",
        "Сказал. Она машет.",
    ),
)
WORDS: Final = {"en": _EN, "ru": _RU}


def language_of(accepted: str) -> str:
    """The first language of an Accept-Language that there are words for; English, where there is none."""
    for part in accepted.split(","):
        language = part.partition(";")[0].strip().partition("-")[0].lower()
        if language in WORDS:
            return language
    return "en"


def language_of_system() -> str:
    return language_of((locale.getlocale()[0] or "").replace("_", "-"))
