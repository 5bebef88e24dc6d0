"""Text that is one token in every tokenizer that `bounds.py` was measured with."""

from __future__ import annotations

_WORDS = """
a aber ability able about above accept access according account across act action actually add added address
affect after again against age al all allow almost along already als also always am among amount an and
another any anything app appear are area around as ask asked at attempt au auch auf aus author aux available
avec away back bad bar base based be because become been before begin behind bei being below best better
between big block body both break build building but by call called came can cannot car card care case cases
cause ce cell certain chance change changes char character che check child children city claim class clear
close code collect com come comes coming comment common como complete con connect consider contact content
continue contract control cost could count country course court cover create created current custom cut da
dans das dat data day days de dead deal decision deep del della dem den der des design development di did die
different direct do doc does doing done down du due during each earlier early easy een effect ein eine einen
either el elle else em en end enough entire environment es especially est esta este et even event events ever
every everything exact example except exist expect expected fact fail fall family far favor few field file
final find fire first follow following for force form former forward found four free friend from front full
fun function further future game general get gets getting give given go goes going good got government group
groups grow haben had half hand happen hard has hat have having he head health held help her here het high
higher him his history hit hold home hope host hour hours house how however http human i ich idea if il im
image imp import important improve in include included including increase individual information inside
install instead into involved is issue issues ist it item its itself job just kann keep key kind know known
la large las last late later law le lead learn least leave left legal les less let level levels life light
like likely line link list little live lo local log long longer look looking los lost lot love low lower made
main mais major make makes making man many mark match material matter may me mean means media meet member
members men met method might million mind minutes mit model moment money month months more most move much
must my na nach name ne near need needed needs net never new next nicht niet night no noch non not nothing
nous now number nur object oder of off offer often old on once one only op open or order orig original os
other others ou our out outside over own page par para parent part particular party pas pass past people per
percent perform performance period pero person pick place plan play plus point points police policy por port
position possible post potential pour power present president press pretty prevent previous price private
probably problem problems process product program project proper protect provide provided public pull put que
question qui quick quickly quite range rate rather read real really reason received recent recently record
red relations relationship release released report reported represent request require required respect
response rest result results return rev right rights risk role room round run running sa same say says school
se search second section security see seem seems seen select self sense series service ses several shall
share she short should show shows sich side sie sign significant similar simple simply since sind single sit
site six size small so soft some someone something son sont soon source space special specific speed start
started state statement states stay step still stop strong su subject success such sum super support sur sure
system take taken takes taking target te team tell terms test text than that the their them themselves then
there these they thing things think third this those though three through time times to today together told
too took tool top total track treat true try trying turn turned two type um uma un una und under understand
une until up upon us use used user users using value van various version very video view von voor vous walk
want wanted war was watch way ways we week well wenn went werden were what when where whether which while
white who whole why wie will win wir wird with within without women word words work working works world worth
would wrong wrote year years yet you your zijn zu
"""

WORDS = frozenset(_WORDS.split())
"""Common words, most of them English; each is one token together with the space before it."""

CHARACTERS = frozenset(
    "¡£§©«®°±·»¿ÁÂÃÇÉÍÓ×ÜßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýāăąćčđęěğīıłńōőœřśşšūůźżžưșțαβγεθικλμνοπρστφωАБВГД"
    "ЕЗИКЛМНОПРСТУФЧЯабвгдежзийклмнопрстуфхцчшщъыьэюяёіויابةتجحخدرزسشصطعفقكلمنهوىيکیंकतनमरलसहािीेो्াอา้‐–"
    "—―‘’“”„†•′€、。「」【】あいうえおかがきくけこさしすせそただちっつてでとどなにのはばまみめもやよらり"
    "るれわをんアィイウェエオカキクグコサシジスセタッテデトドパフブプマムメュョラリルレロン・ー一万三上下"
    "不与专业东两个中为主么义之也书了事二于五些交产京人今从他付代以们件价任份企会传但位体何余作你使例供保"
    "信修元先入全公共关其具内册再写出击分列则初利别到制力功加务动包化北区十华单南即参及反发取变口只可台右"
    "号司合同名后向否含启和四回因国图土在地场处备复外多大天失头如子字存学安完定实客家容密对导将小少尔就州"
    "工左已平年并广开式引张当录形影径待後得微成我或户所手打技投报排接推提效数整文料断新方族无日时明易星是"
    "更最月有服期未本机来查标样格模止正此步注流海清游点片版物特生用由电画界登的目直相知码示社种科秒称移第"
    "类系组经结给统编能自至英行表西见规视角解计认议记论设证评试话该语误说请读身辑输达过运近还这进连述退送"
    "选通速造都配释里重量金门闭问间陆限院除音页项黑가간개게경고과구그기나내니다당대도동되된리만문번보복부"
    "분상서성세수시식아야에여열오요용우위으은을음의이인일입자작장재전정제지째하한할해호화환"
)
"""Characters beyond ASCII, each at most one token in any context."""
