"""How "stop texting me" is said in Spanish, French, Portuguese and German. Pure.

All patterns are of plain words without accents: "n'envoyez plus" is "nenvoyez plus", "más" is
"mas". Keywords count as the whole text only. Left out on purpose is what answers a question as
well: "no más", "baja", "cancelar", "je veux plus de messages".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """`named` says what shall stop, politely; `whole` may stand alone; `keywords` must."""

    named: re.Pattern[str]
    whole: re.Pattern[str]
    keywords: frozenset[str]

    @classmethod
    def of(
        cls,
        polite: Iterable[str],
        named: Iterable[str],
        alone: Iterable[str] = (),
        keywords: Iterable[str] = (),
    ) -> Language:
        courtesy, wishes = one_of(*polite), tuple(named)

        def said(*patterns: str) -> re.Pattern[str]:
            return re.compile(f"(?:{courtesy} )*{one_of(*patterns)}(?: {courtesy})*")

        return cls(said(*wishes), said(*wishes, *alone), frozenset(keywords))


def one_of(*patterns: str) -> str:
    return "(?:" + "|".join(patterns) + ")"


def without_accents(text: str) -> str:
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", text)
    return "".join(character for character in apart if not unicodedata.combining(character))


# --- Spanish ---
_ES_TEXTS = r"(?:mensajes?|mensajitos?|textos?|sms|msjs?)(?: de texto)?"
_ES_WHICH = r"(?:(?:mas|estos|esos|sus|tus|los|tantos) )*"
_ES_WRITE = one_of(r"escrib(?:as?|an)", r"texte(?:es?|en)", r"(?:contact|molest)(?:es?|en)")
_ES_SEND = one_of(r"envi(?:es?|en)", r"mand(?:es?|en)")
_ES_STOP = r"(?:deja|dejen?|para|paren?)"
_ES_LIST = r"(?:de|en) (?:su|sus|tu|tus|esta) listas?(?: de (?:mensajes|contactos|envios?))?"
_SPANISH = Language.of(
    polite=(
        *("por favor", "porfavor", "porfa", "favor", "ya", "hola", "oiga", "oigan", "oye", "no"),
        *("gracias", "muchas gracias", "ok", "numero equivocado", "se lo pido", "nunca mas"),
        *("otra vez", "de nuevo", "ahora", "ahora mismo", "inmediatamente", "jamas"),
    ),
    named=(
        rf"no me {_ES_WRITE}(?: mas)?(?: {_ES_TEXTS})?",
        rf"no me {_ES_SEND} {_ES_WHICH}{_ES_TEXTS}",
        r"no me vuelva[ns]? a (?:escribir|contactar|textear|molestar)",
        rf"no me vuelva[ns]? a (?:enviar|mandar) {_ES_WHICH}{_ES_TEXTS}",
        rf"no (?:quiero|deseo) (?:recibir )?{_ES_WHICH}{_ES_TEXTS}(?: suyos| de ustedes| tuyos)?",
        rf"no (?:quiero|deseo) que me {_ES_WRITE}(?: mas)?",
        rf"no (?:quiero|deseo) que me {_ES_SEND} {_ES_WHICH}{_ES_TEXTS}",
        rf"(?:no mas|basta de) {_ES_TEXTS}",
        rf"{_ES_STOP} de (?:escribir|textear|contactar|molestar)me(?: mas)?",
        rf"{_ES_STOP} de (?:enviar|mandar)(?:me)? {_ES_WHICH}{_ES_TEXTS}",
        rf"(?:qui?t|saqu|sac|borr|elimin)(?:eme|enme|ame) {_ES_LIST}",
        rf"(?:borr|elimin)(?:e|en|a) mi (?:numero|telefono)(?: {_ES_LIST})?",
        rf"(?:me )?(?:quiero |quisiera |deseo )?dar(?:me)? de baja de {_ES_WHICH}{_ES_TEXTS}",
        r"(?:quiero |quisiera |deseo )?desuscrib(?:irme|anme|ame|eme)",
        r"dej[ea]n?me en paz",
    ),
    keywords=(
        *("alto", "parar", "pare", "paren", "basta", "basta ya", "detener", "detente"),
        *("detengase", "desuscribir"),
    ),
)

# --- French ---
_FR_TEXTS = r"(?:sms|textos?|messages?)"
_FR_WHICH = r"(?:(?:de|des|vos|tes|ces|les|aucun|aux) )?"
_FR_LIST = r"de (?:votre|vos|ta|cette) listes?"
_FRENCH = Language.of(
    polite=(
        *("svp", "stp", "sil vous plait", "sil te plait", "merci", "bonjour", "salut", "non"),
        *("maintenant", "tout de suite", "immediatement", "faux numero", "mauvais numero"),
    ),
    named=(
        r"(?:arrete|arretez|cessez) de (?:mecrire|me (?:contacter|texter|deranger|harceler))",
        rf"(?:arrete|arretez|cessez) de menvoyer {_FR_WHICH}{_FR_TEXTS}",
        rf"(?:arretez|arrete|stop) (?:aux |les |vos |ces |tes ){_FR_TEXTS}",
        r"ne mecri(?:vez|s|ves) plus",
        r"ne me (?:contacte|derange|texte|harcele)[sz]? plus",
        rf"ne menvo(?:yez|ie|ies) plus {_FR_WHICH}{_FR_TEXTS}",
        rf"(?:merci de|veuillez) ne plus (?:mecrire|me contacter|menvoyer {_FR_WHICH}{_FR_TEXTS})",
        rf"je ne (?:veux|souhaite|desire) plus (?:recevoir )?{_FR_WHICH}{_FR_TEXTS}"
        r"(?: de votre part)?",
        rf"(?:veuillez me |me )?(?:desabonne|desinscri)(?:r|re|z|vez)(?: moi)? de {_FR_WHICH}"
        rf"(?:{_FR_TEXTS}|votre liste|cette liste)",
        r"(?:desabonnez|desinscrivez) moi",
        rf"(?:retirez|supprimez|enlevez) (?:moi|mon numero) {_FR_LIST}",
        r"supprimez mon numero",
        r"laissez? moi tranquille",
    ),
    keywords=("arret", "arreter", "arretez", "desabonner", "desinscrire"),
)

# --- Portuguese ---
_PT_TEXTS = r"(?:mensage(?:m|ns)|msgs?|sms|textos?|torpedos?)"
_PT_WHICH = r"(?:(?:mais|suas|essas|estas|tantas|seus|esses|nenhuma) )*"
_PT_LIST = r"(?:da sua|de sua|das suas|desta|dessa) listas?(?: de (?:mensagens|contatos|envio))?"
_PORTUGUESE = Language.of(
    polite=(
        *("por favor", "ola", "oi", "obrigado", "obrigada", "ja", "agora", "imediatamente"),
        *("numero errado", "nunca mais"),
    ),
    named=(
        rf"(?:pare|parem|para) de (?:me )?(?:mandar|enviar)(?: me)? {_PT_WHICH}{_PT_TEXTS}",
        r"(?:pare|parem|para) de me (?:escrever|contatar|contactar|incomodar|perturbar)",
        rf"nao me (?:mand|envi)(?:em?|a) {_PT_WHICH}{_PT_TEXTS}",
        r"nao me (?:escrevam?|contate[mn]?|contacte[mn]?|incomodem?|perturbem?)(?: mais)?",
        rf"nao (?:quero|desejo) (?:mais )?(?:receber )?{_PT_WHICH}{_PT_TEXTS}(?: de voces)?",
        rf"chega de {_PT_TEXTS}",
        rf"me (?:tir|remov|retir|exclu)(?:em?|am?) {_PT_LIST}",
        rf"(?:tir|remov|retir|exclu)(?:em?|am?) me {_PT_LIST}",
        rf"(?:apague|exclua|remova) (?:o )?meu numero(?: {_PT_LIST})?",
        r"(?:me )?descadastrem?(?: me)?",
        r"(?:me deixem?|deixem? me) em paz",
    ),
    keywords=("parar", "parem", "descadastrar"),
)

# --- German ---
_DE_TEXTS = r"(?:sms|nachrichten?|textnachrichten?|texte|whatsapps)"
_DE_OF = r"(?: von (?:euch|ihnen|dir))?"
_DE_LIST = r"(?:von|aus) (?:ihrer|eurer|deiner|dieser) liste"
_GERMAN = Language.of(
    polite=(
        *("bitte", "danke", "hallo", "jetzt", "sofort", "ab sofort", "falsche nummer", "nein"),
        "nie wieder",
    ),
    named=(
        rf"schreib(?:t|e|en sie)? (?:mir|uns) (?:bitte )?(?:nicht|nie|keine {_DE_TEXTS}) mehr",
        rf"(?:schick|send)(?:t|e|et|en sie)? (?:mir|uns) (?:bitte )?keine (?:weiteren )?{_DE_TEXTS}"
        r"(?: mehr)?",
        rf"keine (?:weiteren )?{_DE_TEXTS} mehr(?: schicken| senden| an mich)?",
        rf"keine weiteren {_DE_TEXTS}",
        rf"ich (?:will|mochte|moechte|wunsche) keine (?:weiteren )?{_DE_TEXTS}(?: mehr)?{_DE_OF}"
        r"(?: bekommen| erhalten| haben)?",
        rf"hoe?r(?:t|en sie)? (?:bitte )?auf (?:mir|uns) (?:zu schreiben|{_DE_TEXTS} zu"
        r" (?:schicken|senden|schreiben))",
        r"hoe?r(?:t|en sie)? (?:bitte )?auf mich zu (?:kontaktieren|belae?stigen)",
        r"kontaktier(?:t|e|en sie)? mich (?:bitte )?nicht mehr",
        r"(?:nehmen sie|nehmt|nimm|streichen sie|streicht|loe?schen sie|loe?scht|loe?sche?)"
        rf" (?:mich|meine nummer) (?:bitte )?{_DE_LIST}",
        r"(?:loe?schen sie|loe?scht|loe?sche?) (?:bitte )?meine nummer",
        r"(?:lassen sie|lasst|lass) mich (?:bitte )?in ruhe",
    ),
    keywords=("stopp", "abbestellen"),
)

LANGUAGES = (_SPANISH, _FRENCH, _PORTUGUESE, _GERMAN)
